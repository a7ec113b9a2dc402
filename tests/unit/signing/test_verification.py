"""The decision table of code signing."""

from __future__ import annotations

import logging
import mmap
from datetime import timedelta

import pytest

from lamina.errors import CodeVerificationFailedException, InvalidCodeSignatureException, ServiceException
from lamina.signing import Authority, Verification
from lamina.state import StateError
from tests.unit.signing.world import PROFILE, claims, package, signed_by, trust

REFUSED = (
    "Lambda cannot deploy the function. The function or layer might be signed using a signature that the client is "
    "not configured to accept. Check the provided signature for f."
)


@pytest.fixture
async def signed(signer):
    """A signed package and the ARN of the profile version that has signed it."""
    arn = (await signer.profile(signatureValidityPeriod={"value": 2, "type": "DAYS"}))["profileVersionArn"]
    return (await signer.sign())[0], arn


async def both(signer, data, *allowed, fault):
    """The fault is told under Warn, and refused under Enforce."""
    found = await signer.check(data, trust(*allowed, policy="Warn"))
    assert await signer.faults() == {fault: 1}
    with pytest.raises(CodeVerificationFailedException) as refusal:
        await signer.check(data, trust(*allowed))
    assert refusal.value.message == REFUSED
    assert await signer.faults() == {fault: 2}
    return found


@pytest.mark.parametrize("policy", ["Warn", "Enforce"])
async def test_a_good_signature_is_shown(signer, signed, policy):
    data, arn = signed
    found = await signer.check(data, trust(PROFILE, arn, policy=policy))

    assert (found.profile_version_arn, found.expires_at - found.signed_at) == (arn, timedelta(days=2))
    assert await signer.faults() == {}


async def test_without_a_configuration_a_good_signature_is_shown(signer, signed):
    data, arn = signed
    assert (await signer.check(data, None)).profile_version_arn == arn
    assert await signer.check(package(), None) is None


async def test_an_unsigned_package_is_a_mismatch(signer, signed):
    assert await both(signer, package(), signed[1], fault="MISMATCH") is None


async def test_what_is_no_zip_is_unsigned(signer, signed):
    assert await both(signer, b"no zip", signed[1], fault="MISMATCH") is None


async def test_a_profile_that_is_not_listed_is_a_mismatch(signer, signed):
    data, arn = signed
    found = await both(signer, data, PROFILE, fault="MISMATCH")

    assert found.profile_version_arn == arn


async def test_another_version_of_a_listed_profile_is_a_mismatch(signer, signed):
    data, arn = signed
    newer = (await signer.profile())["profileVersionArn"]

    await both(signer, data, newer, fault="MISMATCH")
    assert await signer.check(data, trust(arn))


async def test_a_signature_expires_at_its_moment(signer, signed):
    data, arn = signed
    signer.clock.forward(days=2, microseconds=-1)
    assert await signer.check(data, trust(arn))

    signer.clock.forward(microseconds=1)
    assert await signer.check(data, None) is None
    assert await both(signer, data, arn, fault="EXPIRED") is None


async def test_expiry_comes_before_mismatch_and_that_before_revocation(signer, signed):
    data, _ = signed
    job = (await signer.do("ListSigningJobs"))["jobs"][0]
    await signer.do("RevokeSignature", jobId=job["jobId"], reason="leaked")
    await both(signer, data, PROFILE, fault="MISMATCH")

    signer.verification.validation_errors.clear()
    signer.clock.forward(days=3)
    await both(signer, data, PROFILE, fault="EXPIRED")


async def test_a_revoked_signature(signer, signed):
    data, arn = signed
    job = (await signer.do("ListSigningJobs"))["jobs"][0]
    await signer.do("RevokeSignature", jobId=job["jobId"], reason="leaked")

    assert await signer.check(data, None) is None
    assert await both(signer, data, arn, fault="REVOKED") is None


@pytest.mark.parametrize(("milliseconds", "is_revoked"), [(-1, True), (0, True), (1, False)])
async def test_a_profile_revoked_from_a_moment_on(signer, signed, milliseconds, is_revoked):
    data, arn = signed
    moment = (await signer.check(data, None)).signed_at + timedelta(milliseconds=milliseconds)
    version = arn.rpartition("/")[2]
    await signer.do(
        "RevokeSigningProfile", profileName="team", profileVersion=version, reason="leaked", effectiveTime=moment
    )

    if is_revoked:
        await both(signer, data, arn, fault="REVOKED")
    else:
        assert await signer.check(data, trust(arn))


async def test_a_canceled_profile_leaves_its_signatures_good(signer, signed):
    data, arn = signed
    await signer.do("CancelSigningProfile", profileName="team")

    assert await signer.check(data, trust(arn))


@pytest.mark.parametrize("policy", ["Warn", "Enforce"])
async def test_a_tampered_package_is_always_refused(signer, signed, policy, caplog):
    data, arn = signed
    with pytest.raises(InvalidCodeSignatureException, match=r"integrity check.*for f\.$"):
        await signer.check(data.replace(b"app.py", b"api.py"), trust(arn, policy=policy))

    assert await signer.faults() == {"INVALID": 1}
    assert "changed after it was signed" in caplog.text


@pytest.mark.parametrize("damage", [(b"app.py", b"api.py"), (b"KIMS", b"KIMT")])
async def test_a_mapped_file_can_be_closed_after_a_refusal(signer, signed, damage, tmp_path):
    data, arn = signed
    assert damage[0] in data
    path = tmp_path / "app.zip"
    path.write_bytes(data.replace(*damage))
    with (
        path.open("rb") as file,
        pytest.raises(InvalidCodeSignatureException) as refusal,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as pages,
        memoryview(pages) as view,
    ):
        await signer.verification.check(view, trust(arn), "f")
    assert refusal.value.__traceback__ is not None


async def test_without_a_configuration_a_tampered_package_counts_as_unsigned(signer, signed):
    assert await signer.check(signed[0].replace(b"app.py", b"api.py"), None) is None
    assert await signer.faults() == {}


async def test_a_signature_of_an_authority_that_nobody_trusts_is_refused(signer, signed, authority):
    foreign = signed_by(authority, claims(signer.clock.moment))
    with pytest.raises(InvalidCodeSignatureException):
        await signer.check(foreign, trust(PROFILE))


async def test_a_signature_of_a_further_trusted_authority_counts(signer, signed, authority, tmp_path):
    roots = tmp_path / "roots.pem"
    roots.write_bytes(authority.root_pem())
    trusting = Authority(tmp_path / "signing", roots)
    verification = Verification(signer.state, trusting, signer.clock)
    foreign = signed_by(authority, claims(signer.clock.moment))

    for data, arn in ((foreign, PROFILE), signed):
        assert (await verification.check(data, trust(arn), "f")).profile_version_arn == arn


async def test_an_own_signature_of_a_job_that_is_not_known_counts_as_revoked(signer, signed):
    data = signed_by(signer.authority, claims(signer.clock.moment))

    assert await both(signer, data, PROFILE, fault="REVOKED") is None


async def test_a_revocation_that_cannot_be_read_is_one(signer, signed, monkeypatch, caplog):
    data, arn = signed

    async def fail(work):
        raise StateError("the disk is gone")

    monkeypatch.setattr(signer.state, "read", fail)
    await both(signer, data, arn, fault="REVOKED")
    assert "the disk is gone" in caplog.text


async def test_roots_that_cannot_be_read_refuse_nothing_where_nothing_is_demanded(signer, signed, tmp_path):
    verification = Verification(signer.state, Authority(tmp_path / "none", tmp_path / "missing.pem"), signer.clock)

    assert await verification.check(signed[0], None, "f") is None
    with pytest.raises(ServiceException):
        await verification.check(signed[0], trust(signed[1]), "f")


async def test_a_fault_is_in_the_log(signer, caplog):
    caplog.set_level(logging.WARNING, "lamina.signing")
    await signer.check(package(), trust(PROFILE, policy="Warn"))

    assert "code signing MISMATCH: the package for f is not trusted (Warn): it is not signed" in caplog.text
