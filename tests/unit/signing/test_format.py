"""The signature in a package: made, read and broken."""

from __future__ import annotations

import base64
import io
import re
import shutil
import stat
import struct
import subprocess
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamina.signing import (
    AlreadySigned,
    BadSignature,
    BadZip,
    add_signature,
    digests_to_sign,
    inspect,
    may_be_signed,
)
from lamina.signing import _certificates as certificates
from lamina.signing._content import read_signed
from lamina.signing._envelope import read_envelope, write_envelope
from tests.unit.signing.world import FILES, claims, files_of, modes_of, package, signed_by

NAME = "META_INF/aws_signer_signature_v1.0.SF"
NOW = datetime.now(UTC).replace(microsecond=123_000)


@pytest.fixture(scope="module")
def signed(authority):
    return signed_by(authority, claims(NOW))


def holds(data, authority, now=NOW):
    return inspect(memoryview(data), authority, now)


def rebuilt(data, change=None, modes=None, order=None):
    """The package again with changed files: what anybody can do without a key."""
    files = files_of(data)
    files.update(change or {})
    if order:
        files = {name: files[name] for name in order(list(files))}
    return package({name: body for name, body in files.items() if body is not None}, modes or modes_of(data))


def test_a_signature_comes_back(authority, signed):
    found = holds(signed, authority)

    assert found.signature == claims(NOW)
    assert found.is_own


def test_only_two_entries_are_added_and_the_rest_stays_byte_by_byte(signed):
    before = package()
    directory = before.index(b"PK\x01\x02")

    assert list(files_of(signed)) == [*FILES, "META_INF/", NAME]
    assert signed.startswith(before[:directory])
    assert before[directory : before.index(b"PK\x05\x06")] in signed
    assert zipfile.ZipFile(io.BytesIO(signed)).testzip() is None


def test_the_entry_is_deflated_pem_of_cms(signed):
    with zipfile.ZipFile(io.BytesIO(signed)) as archive:
        assert archive.getinfo(NAME).compress_type == zipfile.ZIP_DEFLATED
        assert archive.getinfo("META_INF/").is_dir()
        text = archive.read(NAME).decode()
    assert re.fullmatch(r"-----BEGIN PKCS7-----\n([A-Za-z0-9+/=]{1,64}\n)+-----END PKCS7-----\n", text)


def test_a_comment_and_a_folder_that_is_there_stay(authority):
    before = package({**FILES, "META_INF/": b"", "META_INF/other": b"x"}, comment=b"made by hand")
    after = signed_by(authority, claims(NOW), before)

    assert list(files_of(after)) == [*files_of(before), NAME]
    assert zipfile.ZipFile(io.BytesIO(after)).comment == b"made by hand"
    assert holds(after, authority)


def test_a_package_can_be_packed_anew(authority, signed):
    """Compression, times and zip headers are not signed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, body in files_of(signed).items():
            item = zipfile.ZipInfo(name, (2020, 2, 2, 2, 2, 2))
            item.external_attr = 0o100600 << 16
            archive.writestr(item, body)
    assert holds(buffer.getvalue(), authority).signature == claims(NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"app.py": FILES["app.py"].replace(b"1", b"2")},
        {"app.py": FILES["app.py"] + b"\n"},
        {"app.py": None},
        {"lib/": None},
        {"META_INF/": None},
        {"new.py": b""},
        {"new/": b""},
    ],
)
def test_a_changed_entry_breaks_the_signature(authority, signed, change):
    with pytest.raises(BadSignature):
        holds(rebuilt(signed, change), authority)


def test_a_changed_name_breaks_the_signature(authority, signed):
    with pytest.raises(BadSignature):
        holds(signed.replace(b"app.py", b"api.py"), authority)


def test_another_order_breaks_the_signature(authority, signed):
    with pytest.raises(BadSignature, match="changed"):
        holds(rebuilt(signed, order=lambda names: [names[1], names[0], *names[2:]]), authority)


def test_a_byte_moved_over_a_boundary_breaks_the_signature(authority):
    """Signer's own digest is the same for these two."""
    before, after = {"a": b"xb", "c": b""}, {"ax": b"b", "c": b""}
    assert digests_to_sign(memoryview(package(before))).content == digests_to_sign(memoryview(package(after))).content
    made = signed_by(authority, claims(NOW), package(before))
    text = files_of(made)[NAME]

    with pytest.raises(BadSignature, match="boundaries"):
        holds(add_signature(memoryview(package(after)), text), authority)


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFREG | 0o755])
def test_a_file_that_becomes_a_link_or_a_program_breaks_the_signature(authority, signed, mode):
    with pytest.raises(BadSignature, match="kinds"):
        holds(rebuilt(signed, modes={**modes_of(signed), "app.py": mode}), authority)


def test_a_second_signature_breaks_it(authority, signed):
    text = files_of(signed)[NAME]
    twice = _append(signed, NAME, text)

    with pytest.raises(BadSignature, match="twice"):
        holds(twice, authority)


def _append(data, name, body):
    buffer = io.BytesIO(data)
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(name, body)
    return buffer.getvalue()


def test_a_signature_of_another_package_does_not_hold(authority, signed):
    other = package({"other.py": b""})
    with pytest.raises(BadSignature, match="changed"):
        holds(add_signature(memoryview(other), files_of(signed)[NAME]), authority)


def test_a_signed_package_is_not_signed_again(signed):
    with pytest.raises(AlreadySigned):
        digests_to_sign(memoryview(signed))


@pytest.mark.parametrize("data", [b"", b"no zip", package()[:-5], package({}), b"x" + package()])
def test_what_is_no_zip_or_empty_is_not_signed(data):
    with pytest.raises(BadZip):
        digests_to_sign(memoryview(data))


def test_a_wrong_checksum_is_not_signed():
    data = bytearray(package({"a": b"stored"}))
    data[data.index(b"stored")] ^= 1

    with pytest.raises(BadZip, match="CRC"):
        digests_to_sign(memoryview(bytes(data)))


def test_a_bomb_ends_at_its_declared_size():
    data = bytearray(package({"a": bytes(30_000_000)}))
    for mark, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<L", data, data.index(mark) + at, 1000)

    with pytest.raises(BadZip):
        digests_to_sign(memoryview(bytes(data)))


def test_more_than_250_mib_is_refused_before_it_is_inflated():
    data = bytearray(package({"a": bytes(1000)}))
    struct.pack_into("<L", data, data.index(b"PK\x01\x02") + 24, 262_144_001)

    with pytest.raises(BadZip, match="too large"):
        digests_to_sign(memoryview(bytes(data)))


def test_a_signature_of_more_than_a_mebibyte_is_refused(authority):
    made = add_signature(memoryview(package()), bytes(1_048_577))
    with pytest.raises(BadSignature, match="1048577"):
        holds(made, authority)


def test_the_name_is_looked_for_in_the_central_directory_only():
    assert not may_be_signed(memoryview(package({"app.py": NAME.encode() * 9})))
    assert not may_be_signed(memoryview(NAME.encode()))
    assert may_be_signed(memoryview(add_signature(memoryview(package()), b"anything")))


def test_the_name_inside_another_name_is_no_signature(authority):
    assert holds(package({f"x/{NAME}": b"", "./" + NAME: b""}), authority) is None


def test_definite_lengths_are_read_too(authority, monkeypatch):
    """Signer leaves the outer lengths open; DER has none of these."""
    texts = []
    for is_definite in (False, True):
        with monkeypatch.context() as patch:
            patch.setattr(
                "lamina.signing._authority.write_envelope",
                lambda *given, form=is_definite: write_envelope(*given, is_definite=form),
            )
            made = signed_by(authority, claims(NOW))
        texts.append(files_of(made)[NAME])
        assert holds(made, authority).signature == claims(NOW)
    assert texts[0] != texts[1]


@pytest.mark.parametrize(
    "changed",
    [
        {"expires_at": NOW},
        {"expires_at": NOW - timedelta(seconds=1)},
        {"job_arn": claims(NOW).job_arn.replace("eu-west-1", "eu-west-2")},
        {"job_arn": claims(NOW).job_arn.replace("123456789012", "210987654321")},
        {"job_arn": claims(NOW).job_arn.replace("arn:aws:", "arn:aws-cn:")},
        {"job_arn": "arn:aws:signer:eu-west-1:123456789012:/signing-jobs/"},
        {"profile_version_arn": "arn:aws:signer:eu-west-1:123456789012:/signing-profiles/team"},
    ],
)
def test_claims_that_contradict_each_other_do_not_hold(authority, changed):
    made = signed_by(authority, claims(NOW, **changed))
    with pytest.raises(BadSignature):
        holds(made, authority)


def test_a_signature_from_the_future_does_not_hold(authority, signed):
    with pytest.raises(BadSignature, match="future"):
        holds(signed, authority, NOW - timedelta(minutes=6))


def test_the_chain_is_checked_at_the_time_of_signing(authority, signed):
    assert holds(signed, authority, NOW + timedelta(days=365 * 100))
    early = signed_by(authority, claims(NOW - timedelta(days=3)))
    with pytest.raises(BadSignature, match="at the time of signing"):
        holds(early, authority)


def test_a_changed_attribute_breaks_the_signature(authority, signed):
    """Every octet of the signed attributes counts."""
    envelope = read_envelope(files_of(signed)[NAME])
    _, roots = authority.roots()
    changed = replace(envelope, signed=envelope.signed.replace(b"team", b"evil"))

    with pytest.raises(BadSignature, match="does not match"):
        certificates.check_envelope(changed, roots)


def _chain(leaf=None, intermediate=None, root=None):
    root = root or certificates.make_root()
    intermediate = intermediate or certificates.make_intermediate(root)
    return root, intermediate, leaf or certificates.make_leaf(intermediate, "AbCdEf0123")


def _envelope(leaf, intermediate):
    signer = certificates.LeafSigner(leaf, intermediate.certificate)
    return read_envelope(write_envelope(claims(NOW), digests_to_sign(memoryview(package())), signer))


def test_a_chain_to_a_root_that_is_not_trusted_does_not_hold():
    root, intermediate, leaf = _chain()
    envelope = _envelope(leaf, intermediate)

    assert certificates.check_envelope(envelope, [root.certificate]) == root.certificate
    for roots in ([], [certificates.make_root().certificate]):
        with pytest.raises(BadSignature, match="no trusted root"):
            certificates.check_envelope(envelope, roots)


def test_a_root_of_the_same_name_and_another_key_is_not_the_root(monkeypatch):
    monkeypatch.setattr(certificates, "_key_digest", lambda key: bytes(20))
    _, intermediate, leaf = _chain()
    false = certificates.make_root()

    with pytest.raises(BadSignature, match="no trusted root"):
        certificates.check_envelope(_envelope(leaf, intermediate), [false.certificate])


def test_a_leaf_that_issues_a_leaf_does_not_hold():
    root, intermediate, leaf = _chain()
    below = certificates.make_leaf(leaf, "AbCdEf0123")
    envelope = _envelope(below, leaf)
    whole = replace(envelope, certificates=(*envelope.certificates, *_envelope(leaf, intermediate).certificates))

    with pytest.raises(BadSignature, match="no authority"):
        certificates.check_envelope(whole, [root.certificate])


def test_an_authority_does_not_sign_code():
    root, intermediate, _ = _chain()
    with pytest.raises(BadSignature):
        certificates.check_envelope(_envelope(intermediate, root), [root.certificate])


def test_an_authority_deeper_than_allowed_does_not_hold():
    root, intermediate, _ = _chain()
    deeper = certificates.make_intermediate(intermediate)
    leaf = certificates.make_leaf(deeper, "AbCdEf0123")
    envelope = _envelope(leaf, deeper)
    whole = replace(envelope, certificates=(*envelope.certificates, _envelope(leaf, intermediate).certificates[1]))

    with pytest.raises(BadSignature, match="no authority"):
        certificates.check_envelope(whole, [root.certificate])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_damage_to_a_package_goes_unseen(authority, signed, data):
    """Whatever byte is changed, the names and bodies that are read are those that were signed, or it is refused."""
    at = data.draw(st.integers(0, len(signed) - 1))
    damaged = bytearray(signed)
    damaged[at] ^= data.draw(st.integers(1, 255))
    try:
        found = holds(bytes(damaged), authority)
    except BadSignature:
        return
    if found is not None:
        _, digests = read_signed(memoryview(bytes(damaged)))
        assert digests == read_signed(memoryview(signed))[1]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_signature_is_refused_and_nothing_else_is_raised(authority, signed, data):
    text = files_of(signed)[NAME]
    lines = text.splitlines()
    raw = bytearray(base64.b64decode(b"".join(lines[1:-1])))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    damaged = b"\n".join((lines[0], base64.b64encode(bytes(raw)), lines[-1]))
    try:
        envelope = read_envelope(damaged)
        certificates.check_envelope(envelope, authority.roots()[1])
    except BadSignature:
        return
    assert (envelope.claims, envelope.digest) == (claims(NOW), read_envelope(text).digest)


@given(st.binary(max_size=300))
def test_any_bytes_as_a_signature_are_refused(data):
    for text in (data, b"-----BEGIN PKCS7-----\n" + data + b"\n-----END PKCS7-----"):
        with pytest.raises(BadSignature):
            read_envelope(text)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_finds_the_signature_good(authority, signed, tmp_path):
    """Another reader of CMS, which has never seen ours."""
    text, digests = read_signed(memoryview(signed))
    for name, content in {"sf.pem": text, "digest": digests.content, "root.pem": authority.root_pem()}.items():
        (tmp_path / name).write_bytes(content)
    command = "openssl smime -verify -inform PEM -in sf.pem -content digest -binary -CAfile root.pem -purpose any"

    good = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, timeout=20, check=False)
    (tmp_path / "digest").write_bytes(bytes(48))
    bad = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, timeout=20, check=False)

    assert good.returncode == 0, good.stderr
    assert bad.returncode != 0
