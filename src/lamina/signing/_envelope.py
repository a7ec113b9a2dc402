"""The signature inside a package: CMS ``SignedData`` (RFC 5652), detached, in a PEM block with the label PKCS7.

Signer's own attributes are under 1.3.187.137.1. One more stands beside them, of Lamina: Signer's digest has no
boundaries between names and bodies and leaves out what a member is, so ``FRAMING`` is the digest of just these.
"""

from __future__ import annotations

import binascii
import hashlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from lamina.signing import _ber, _der
from lamina.signing._ber import BadEncoding, Element, only
from lamina.signing._claims import BadSignature, Signature
from lamina.signing._content import Digests

_SIGNED_DATA, _DATA = "1.2.840.113549.1.7.2", "1.2.840.113549.1.7.1"
_SHA384, _ECDSA_SHA384 = "2.16.840.1.101.3.4.2.2", "1.2.840.10045.4.3.3"
_CONTENT_TYPE, _MESSAGE_DIGEST, _SIGNING_TIME = (f"1.2.840.113549.1.9.{n}" for n in (3, 4, 5))
_ALGORITHM_PROTECTION = "1.2.840.113549.1.9.52"
_JOB_ARN, _EXPIRY, _PROFILE_VERSION_ARN = (f"1.3.187.137.1.{n}" for n in (2, 3, 4))
FRAMING = "2.25.14534438893809987445256866817101816339"

_MOST_CERTIFICATES = 10
_BEGIN, _END = b"-----BEGIN PKCS7-----", b"-----END PKCS7-----"


class Signer(Protocol):
    """A leaf certificate and its key."""

    @property
    def issuer(self) -> bytes:
        """The issuer's name, in DER."""

    @property
    def serial(self) -> int:
        """The certificate's serial number."""

    @property
    def certificates(self) -> Sequence[bytes]:
        """The leaf and what leads to the root, in DER."""

    def sign(self, message: bytes) -> bytes:
        """An ECDSA signature with SHA-384."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A signature as it was read; nothing of it is proved.

    ``issuer`` and ``serial`` name the leaf among ``certificates`` (DER); ``signed`` is what ``value`` signs;
    ``digest`` is the message digest and ``framing`` Lamina's own attribute, if it is there.
    """

    claims: Signature
    digest: bytes
    framing: bytes | None
    issuer: bytes
    serial: int
    certificates: tuple[bytes, ...]
    signed: bytes
    value: bytes


def message_digest(content: bytes) -> bytes:
    """The message digest over a content digest: what is signed is a digest already, and CMS digests it again."""
    return hashlib.sha384(content).digest()


def write_envelope(claims: Signature, digests: Digests, signer: Signer, *, is_definite: bool = False) -> bytes:
    """Sign: the PEM text that goes into the package. Signer leaves the outer lengths open; ``is_definite`` does not."""
    outer = _der.element if is_definite else _der.indefinite
    attributes = _attributes(claims, digests)
    value = signer.sign(_der.set_of(attributes))
    signer_info = _der.element(
        _der.SEQUENCE,
        _der.integer(1),
        _der.element(_der.SEQUENCE, signer.issuer, _der.integer(signer.serial)),
        _algorithm(_SHA384),
        _der.set_of(attributes, _der.CONTEXT_0),
        _algorithm(_ECDSA_SHA384),
        _der.octets(value),
    )
    signed_data = outer(
        _der.SEQUENCE,
        _der.integer(1),
        _der.set_of([_algorithm(_SHA384)]),
        outer(_der.SEQUENCE, _der.oid(_DATA)),
        outer(_der.CONTEXT_0, *signer.certificates),
        _der.set_of([signer_info]),
    )
    whole = outer(_der.SEQUENCE, _der.oid(_SIGNED_DATA), outer(_der.CONTEXT_0, signed_data))
    return _pem(whole)


def _attributes(claims: Signature, digests: Digests) -> list[bytes]:
    values = {
        _CONTENT_TYPE: _der.oid(_DATA),
        _MESSAGE_DIGEST: _der.octets(message_digest(digests.content)),
        _SIGNING_TIME: _der.moment(claims.signed_at),
        _ALGORITHM_PROTECTION: _der.element(
            _der.SEQUENCE, _algorithm(_SHA384), _der.element(_der.CONTEXT_1, _der.oid(_ECDSA_SHA384))
        ),
        _JOB_ARN: _der.utf8(claims.job_arn),
        _EXPIRY: _der.moment(claims.expires_at),
        _PROFILE_VERSION_ARN: _der.utf8(claims.profile_version_arn),
        FRAMING: _der.octets(digests.framing),
    }
    return [
        _der.element(_der.SEQUENCE, _der.oid(name), _der.element(_der.SET, value)) for name, value in values.items()
    ]


def _algorithm(name: str) -> bytes:
    return _der.element(_der.SEQUENCE, _der.oid(name))


def _pem(whole: bytes) -> bytes:
    text = b64encode(whole)
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return b"\n".join((_BEGIN, *lines, _END, b""))


def read_envelope(text: bytes) -> Envelope:
    """Read a signature without believing it. Raises ``BadSignature`` for what is not one."""
    text = text.strip()
    if not (text.startswith(_BEGIN) and text.endswith(_END)):
        raise BadSignature("no PEM block with the label PKCS7")
    body = b"".join(text[len(_BEGIN) : -len(_END)].split())
    try:
        return _content_info(_ber.read(binascii.a2b_base64(body, strict_mode=True)))
    except (BadEncoding, binascii.Error, UnicodeDecodeError) as error:
        raise BadSignature(f"no signature can be read: {error}") from error


def _content_info(element: Element) -> Envelope:
    kind, *content = element.inside(_der.SEQUENCE)
    if _oid(kind) != _SIGNED_DATA:
        raise BadEncoding("no SignedData")
    signed_data = only(only(content, "content").inside(_der.CONTEXT_0), "SignedData").inside(_der.SEQUENCE)
    if len(signed_data) < 5:
        raise BadEncoding("SignedData lacks members")
    version, digests, content_type, certificates, *others, signers = signed_data
    if _integer(version) != 1 or [element.tag for element in others] not in ([], [_der.CONTEXT_1]):
        raise BadEncoding("another version of SignedData")
    if _oid(only(content_type.inside(_der.SEQUENCE), "detached content")) != _DATA:
        raise BadEncoding("the content is not plain data")
    _check_algorithm(only(digests.inside(_der.SET), "digest algorithms"), _SHA384)
    found = certificates.inside(_der.CONTEXT_0)
    if len(found) > _MOST_CERTIFICATES:
        raise BadEncoding(f"{len(found)} certificates")
    raw = tuple(bytes(certificate.raw) for certificate in found)
    return _signer_info(only(signers.inside(_der.SET), "signers"), raw)


def _signer_info(element: Element, certificates: tuple[bytes, ...]) -> Envelope:
    members = element.inside(_der.SEQUENCE)
    # One more may follow: attributes that nobody has signed, which say nothing here.
    if len(members) not in (6, 7) or (len(members) == 7 and members[6].tag != _der.CONTEXT_1):
        raise BadEncoding("the signer's members are wrong")
    version, who, digest, attributes, signature, value = members[:6]
    if _integer(version) != 1 or not attributes.is_definite:
        raise BadEncoding("another version of the signer, or attributes not in DER")
    _check_algorithm(digest, _SHA384)
    _check_algorithm(signature, _ECDSA_SHA384)
    names = who.inside(_der.SEQUENCE)
    if len(names) != 2:
        raise BadEncoding("the signer is not named by issuer and serial number")
    found = _read_attributes(attributes)
    return Envelope(
        claims=_claims(found),
        digest=_needed(found, _MESSAGE_DIGEST).value(_der.OCTETS),
        framing=found[FRAMING].value(_der.OCTETS) if FRAMING in found else None,
        issuer=bytes(names[0].raw),
        serial=_integer(names[1]),
        certificates=certificates,
        signed=bytes((_der.SET,)) + bytes(attributes.raw[1:]),
        value=value.value(_der.OCTETS),
    )


def _read_attributes(element: Element) -> dict[str, Element]:
    found: dict[str, Element] = {}
    for attribute in element.inside(_der.CONTEXT_0):
        members = attribute.inside(_der.SEQUENCE)
        if len(members) != 2 or (name := _oid(members[0])) in found:
            raise BadEncoding("an attribute twice, or without a value")
        found[name] = only(members[1].inside(_der.SET), f"value of {name}")
    if _oid(_needed(found, _CONTENT_TYPE)) != _DATA:
        raise BadEncoding("the signed content type is not plain data")
    if _ALGORITHM_PROTECTION in found:
        _check_protection(found[_ALGORITHM_PROTECTION])
    return found


def _check_protection(element: Element) -> None:
    members = element.inside(_der.SEQUENCE)
    if len(members) != 2 or not (inner := members[1].inside(_der.CONTEXT_1)) or _oid(inner[0]) != _ECDSA_SHA384:
        raise BadEncoding("signed with another algorithm than it says")
    _check_algorithm(members[0], _SHA384)


def _claims(found: Mapping[str, Element]) -> Signature:
    return Signature(
        profile_version_arn=_needed(found, _PROFILE_VERSION_ARN).value(_der.UTF8).decode(),
        job_arn=_needed(found, _JOB_ARN).value(_der.UTF8).decode(),
        signed_at=_ber.moment(_needed(found, _SIGNING_TIME).value(_der.GENERALIZED_TIME)),
        expires_at=_ber.moment(_needed(found, _EXPIRY).value(_der.GENERALIZED_TIME)),
    )


def _needed(found: Mapping[str, Element], name: str) -> Element:
    if name not in found:
        raise BadEncoding(f"the attribute {name} is missing")
    return found[name]


def _check_algorithm(element: Element, name: str) -> None:
    members = element.inside(_der.SEQUENCE)
    if not members or _oid(members[0]) != name or [bytes(other.raw) for other in members[1:]] not in ([], [b"\5\0"]):
        raise BadEncoding("another algorithm than SHA-384 with ECDSA")


def _oid(element: Element) -> str:
    return _ber.dotted(element.value(_der.OID))


def _integer(element: Element) -> int:
    value = element.value(_der.INTEGER)
    if not 1 <= len(value) <= 32:
        raise BadEncoding("a number of no or too many octets")
    return int.from_bytes(value, "big", signed=True)
