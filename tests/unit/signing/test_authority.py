from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from cryptography import x509

from lamina.signing import Authority, AuthorityError
from lamina.signing import _certificates as certificates
from tests.unit.signing.world import claims, files_of, package, signed_by

NOW = datetime.now(UTC)


def leaf_of(data):
    from lamina.signing._envelope import read_envelope

    return read_envelope(files_of(data)["META_INF/aws_signer_signature_v1.0.SF"]).certificates[0]


def test_nothing_is_made_before_the_first_signature(tmp_path):
    authority = Authority(tmp_path / "signing")
    authority.check()

    assert authority.roots() == (None, [])
    assert not (tmp_path / "signing").exists()


def test_the_authority_stays(tmp_path):
    first = Authority(tmp_path / "signing")
    one = leaf_of(signed_by(first, claims(NOW)))
    second = Authority(tmp_path / "signing")

    assert second.root_pem() == first.root_pem()
    assert leaf_of(signed_by(second, claims(NOW))) == one


def test_each_profile_version_has_a_leaf_of_its_own(tmp_path):
    authority = Authority(tmp_path / "signing")
    other = claims(NOW).profile_version_arn[:-1] + "4"

    assert leaf_of(signed_by(authority, claims(NOW))) != leaf_of(
        signed_by(authority, claims(NOW, profile_version_arn=other))
    )


def test_private_keys_are_for_the_owner_only(tmp_path):
    previous = os.umask(0)
    try:
        signed_by(Authority(tmp_path / "signing"), claims(NOW))
    finally:
        os.umask(previous)
    found = list((tmp_path / "signing").rglob("*"))

    assert len([path for path in found if path.is_file()]) == 3
    for path in (tmp_path / "signing", *found):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600)


def test_many_at_once_make_one_authority(tmp_path):
    authority = Authority(tmp_path / "signing")
    with ThreadPoolExecutor(8) as pool:
        roots = set(pool.map(lambda _: authority.root_pem(), range(8)))

    assert len(roots) == 1


def test_what_a_crash_has_left_is_no_authority(tmp_path):
    left = tmp_path / "signing" / ".new-0123"
    left.mkdir(parents=True)
    (left / "root.pem").write_bytes(b"half")
    Authority(tmp_path / "signing").root_pem()

    assert not left.exists()


def test_a_leaf_that_is_about_to_expire_is_made_anew(tmp_path, monkeypatch):
    authority = Authority(tmp_path / "signing")
    with monkeypatch.context() as patch:
        patch.setattr(certificates, "_LEAF_LIFE", certificates._LEAF_RESERVE)
        first = leaf_of(signed_by(authority, claims(NOW)))
    second = leaf_of(signed_by(authority, claims(NOW)))

    assert first != second
    assert leaf_of(signed_by(authority, claims(NOW))) == second


@pytest.mark.parametrize("damage", [b"", b"no key", None])
def test_a_damaged_key_is_told_and_never_replaced(tmp_path, damage):
    authority = Authority(tmp_path / "signing")
    root = tmp_path / "signing" / "authority" / "root.pem"
    authority.root_pem()
    if damage is None:
        root.unlink()
    else:
        root.write_bytes(damage)

    for use in (authority.check, authority.root_pem, lambda: signed_by(authority, claims(NOW))):
        with pytest.raises(AuthorityError, match=r"root\.pem"):
            use()


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(AuthorityError, match="cannot use the signing folder"):
        Authority(tmp_path / "file" / "signing").root_pem()


@pytest.mark.parametrize(
    "content", [None, b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_roots_that_are_none_are_told(tmp_path, content):
    path = tmp_path / "roots.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AuthorityError, match=r"roots\.pem"):
        Authority(tmp_path / "signing", path).check()


def test_a_root_must_be_an_authority(tmp_path):
    root = certificates.make_root()
    leaf = certificates.make_leaf(certificates.make_intermediate(root), "AbCdEf0123")
    path = tmp_path / "roots.pem"
    path.write_bytes(root.certificate_pem + leaf.certificate_pem)

    with pytest.raises(AuthorityError, match="AbCdEf0123"):
        Authority(tmp_path / "signing", path).check()


def test_the_root_is_a_certificate_without_its_key(tmp_path):
    pem = Authority(tmp_path / "signing").root_pem()

    assert b"PRIVATE" not in pem
    assert x509.load_pem_x509_certificate(pem).subject.rfc4514_string().startswith("CN=Lamina Signing Root ")


def test_cryptography_is_loaded_for_signatures_only(tmp_path):
    """An idle server, and a deployment without signature and configuration, stay small."""
    (tmp_path / "app.zip").write_bytes(package())
    program = """if True:
        import asyncio, sys
        from pathlib import Path
        from lamina.signing import Authority, SignerApi, Verification
        from lamina.state import SqliteState
        state = SqliteState.in_memory()
        authority = Authority(Path("signing"))
        authority.check()
        SignerApi(state, authority, None)
        check = Verification(state, authority).check(Path("app.zip").read_bytes(), None, "f")
        assert asyncio.run(check) is None
        state.close()
        assert "cryptography" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, timeout=30)
