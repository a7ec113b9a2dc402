"""Settings from flags, variables and the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.keys import KeyRing
from lamina.settings import Settings, SettingsError, load


def write(folder: Path, text: str) -> Path:
    file = folder / "lamina.toml"
    file.write_text(text)
    return file


def test_defaults() -> None:
    assert load({}, {}, None) == Settings()


def test_a_flag_comes_before_a_variable_and_that_before_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "port = 1\nhost = 'localhost'\nprewarm = 5\n")
    found = load({"port": "3"}, {"LAMINA_PORT": "2", "LAMINA_HOST": "::1"}, file)
    assert (found.port, found.host, found.prewarm) == (3, "::1", 5)


def test_switches_and_words(tmp_path: Path) -> None:
    file = write(tmp_path, "auth = false\ndeprecated_runtimes = 'allow'\n")
    found = load({}, {}, file)
    assert (found.auth, found.deprecated_runtimes) == (False, True)


def test_keys_of_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "[[keys]]\naccess_key_id = 'A'\nsecret_access_key = 'S'\naccount_id = '111111111111'\n")
    ring = KeyRing(load({}, {}, file))
    key = ring.find("A")
    assert key is not None
    assert key.account_id == "111111111111"
    assert "S" not in repr(key)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"port": "x"}, "--port cannot be 'x'"),
        ({"port": "70000"}, "--port cannot be '70000': expected 0 to 65535"),
        ({"account_id": "1"}, "--account-id cannot be '1': expected twelve digits"),
        ({"isolation": "C"}, "--isolation cannot be 'C'"),
        ({"log_level": "loud"}, "--log-level cannot be 'loud'"),
        ({"idle_seconds": "nan"}, "--idle-seconds cannot be 'nan'"),
    ],
)
def test_a_bad_value_is_named(flags: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(flags, {}, None)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot = 1", "unknown setting 'prot'"),
        ("= 1", "cannot be read"),
        ("keys = 1", "tables"),
        ("[[keys]]\nx = 1", "each"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load({}, {}, write(tmp_path, text))


def test_the_well_known_pair_on_loopback() -> None:
    key = KeyRing(Settings(account_id="123456789012")).find("test")
    assert key is not None
    assert (key.secret_access_key, key.account_id) == ("test", "123456789012")


def test_twelve_digits_are_an_account() -> None:
    key = KeyRing(Settings()).find("222222222222")
    assert key is not None
    assert key.account_id == "222222222222"


@pytest.mark.parametrize("name", ["", "tes", "12345678901", "１２３４５６７８９０１２"])
def test_others_are_unknown(name: str) -> None:
    assert KeyRing(Settings()).find(name) is None


def test_beyond_loopback_the_pair_is_made_once_and_private(tmp_path: Path) -> None:
    settings = Settings(host="0.0.0.0")
    told: list[str] = []
    for _ in range(2):
        ring = KeyRing(settings)
        ring.open(tmp_path, lambda key: told.append(key.access_key_id))
        assert ring.find("test") is None
    assert len(told) == 1
    assert ring.find(told[0]) is not None
    assert (tmp_path / "credentials.json").stat().st_mode & 0o777 == 0o600
