"""The master key: made once, and never anew while something needs the old one."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.kms import MasterKey, MasterKeyError
from lamina.state import SqliteState


@pytest.fixture
def state() -> Iterator[SqliteState]:
    opened = SqliteState.in_memory()
    yield opened
    opened.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "master.key"


async def test_a_new_folder_gets_a_key_of_its_own(tmp_path: Path, state: SqliteState, file: Path) -> None:
    await MasterKey.open(tmp_path, state)
    assert len(file.read_bytes()) == 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["master.key"]


async def test_the_same_key_is_read_again(tmp_path: Path, state: SqliteState) -> None:
    first = await MasterKey.open(tmp_path, state)
    second = await MasterKey.open(tmp_path, state)
    assert first.subkey("x") == second.subkey("x")


async def test_each_purpose_has_a_key_of_its_own() -> None:
    key = MasterKey(bytes(32))
    assert len({key.subkey("a"), key.subkey("b"), bytes(32)}) == 3


async def test_a_lost_key_is_not_made_again(tmp_path: Path, state: SqliteState, file: Path) -> None:
    await MasterKey.open(tmp_path, state)
    file.unlink()
    with pytest.raises(MasterKeyError, match="is missing, and encrypted data needs it"):
        await MasterKey.open(tmp_path, state)
    assert not file.exists()


async def test_the_key_of_another_folder_is_refused(tmp_path: Path, state: SqliteState, file: Path) -> None:
    await MasterKey.open(tmp_path, state)
    file.write_bytes(os.urandom(32))
    with pytest.raises(MasterKeyError, match="is not the master key of this data folder"):
        await MasterKey.open(tmp_path, state)


@pytest.mark.parametrize("content", [b"", b"short", bytes(33)])
async def test_a_damaged_key_is_refused_and_left_alone(
    tmp_path: Path, state: SqliteState, file: Path, content: bytes
) -> None:
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(MasterKeyError, match=f"has {len(content)} bytes, not 32"):
        await MasterKey.open(tmp_path, state)
    assert file.read_bytes() == content


async def test_a_key_that_others_may_read_is_refused(tmp_path: Path, state: SqliteState, file: Path) -> None:
    await MasterKey.open(tmp_path, state)
    file.chmod(0o640)
    with pytest.raises(MasterKeyError, match="others may read"):
        await MasterKey.open(tmp_path, state)


async def test_a_crash_before_the_first_use_does_no_harm(tmp_path: Path, state: SqliteState, file: Path) -> None:
    file.write_bytes(bytes(32))
    file.chmod(0o600)
    (tmp_path / "master.new").write_bytes(b"half")
    assert (await MasterKey.open(tmp_path, state)).subkey("x") == MasterKey(bytes(32)).subkey("x")


async def test_a_folder_that_cannot_be_written(tmp_path: Path, state: SqliteState) -> None:
    with pytest.raises(MasterKeyError, match="cannot be made"):
        await MasterKey.open(tmp_path / "missing", state)
