"""Keys and certificates: making the authority's own, and following a stranger's chain up to a trusted root.

This is the one module that loads ``cryptography``; it is imported where a signature is made or checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lamina.signing._claims import BadSignature
from lamina.signing._envelope import Envelope

_DEEPEST = 6
_ROOT_LIFE, _INTERMEDIATE_LIFE = timedelta(days=365 * 40), timedelta(days=365 * 30)
_LEAF_LIFE, _LEAF_RESERVE = timedelta(days=365), timedelta(days=30)
_BACKDATED = timedelta(days=1)  # a clock that is set back must not make a certificate one from the future
_UNDERSTOOD = (x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage)
_FOR_CODE = {ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
_HASH = hashes.SHA384()


@dataclass(frozen=True, slots=True)
class Pair:
    """A private key and its certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def key_pem(self) -> bytes:
        """The key, in the clear."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def certificate_pem(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @classmethod
    def load(cls, pem: bytes) -> Pair:
        """Read a key and its certificate from one PEM text. Raises ValueError."""
        key = serialization.load_pem_private_key(pem, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("the key is not an elliptic curve's")
        certificate = x509.load_pem_x509_certificate(pem)
        if certificate.public_key() != key.public_key():
            raise ValueError("the certificate is of another key")
        return cls(key, certificate)


@dataclass(frozen=True, slots=True)
class LeafSigner:
    """See ``_envelope.Signer``."""

    pair: Pair
    intermediate: x509.Certificate

    @property
    def issuer(self) -> bytes:
        return self.pair.certificate.issuer.public_bytes()

    @property
    def serial(self) -> int:
        return self.pair.certificate.serial_number

    @property
    def certificates(self) -> Sequence[bytes]:
        return [each.public_bytes(serialization.Encoding.DER) for each in (self.pair.certificate, self.intermediate)]

    def sign(self, message: bytes) -> bytes:
        return self.pair.key.sign(message, ec.ECDSA(_HASH))


def make_root() -> Pair:
    """A new root. Its name ends with a few digits of its key: roots of several servers can be told apart."""
    key = ec.generate_private_key(ec.SECP384R1())
    name = f"Lamina Signing Root {_key_digest(key.public_key()).hex()[:8]}"
    return _issue(key, name, None, life=_ROOT_LIFE, path_length=1)


def make_intermediate(root: Pair) -> Pair:
    """A new intermediate that issues leaves only."""
    key = ec.generate_private_key(ec.SECP384R1())
    name = f"Lamina Signing Intermediate {_key_digest(key.public_key()).hex()[:8]}"
    return _issue(key, name, root, life=_INTERMEDIATE_LIFE, path_length=0)


def make_leaf(intermediate: Pair, profile_version: str) -> Pair:
    """A new leaf that signs code for one version of a profile; ``profile_version`` is its ten characters."""
    key = ec.generate_private_key(ec.SECP384R1())
    return _issue(key, f"Lamina Code Signing {profile_version}", intermediate, life=_LEAF_LIFE, path_length=None)


def is_fresh(leaf: Pair, intermediate: Pair, now: datetime) -> bool:
    """Whether the leaf is of this intermediate, and good for a while yet."""
    certificate = leaf.certificate
    is_valid = certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - _LEAF_RESERVE
    return is_valid and certificate.issuer == intermediate.certificate.subject


def _issue(
    key: ec.EllipticCurvePrivateKey, name: str, issuer: Pair | None, *, life: timedelta, path_length: int | None
) -> Pair:
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Lamina"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )
    is_authority = path_length is not None
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + life)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=path_length), critical=True)
        .add_extension(_usage(is_authority=is_authority), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer is not None:
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
        builder = builder.add_extension(above, critical=False)
    if not is_authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
    return Pair(key, builder.sign(issuer.key if issuer else key, _HASH))


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key_digest(key: ec.EllipticCurvePublicKey) -> bytes:
    return x509.SubjectKeyIdentifier.from_public_key(key).digest


def load_roots(pem: bytes) -> list[x509.Certificate]:
    """All certificates of a PEM text, each of an authority. Raises ValueError."""
    roots = x509.load_pem_x509_certificates(pem)
    for root in roots:
        try:
            with _refusals():
                _check_authority(root, 0)
        except BadSignature as refusal:
            raise ValueError(f"{root.subject.rfc4514_string()}: {refusal}") from None
    return roots


def check_envelope(envelope: Envelope, roots: Sequence[x509.Certificate]) -> x509.Certificate:
    """Prove the signature and the chain at the time of signing: the root that it ends at. Raises ``BadSignature``."""
    with _refusals():
        certificates = [x509.load_der_x509_certificate(raw) for raw in envelope.certificates]
        leaf = _leaf(envelope, certificates)
        _check_leaf(leaf, envelope)
        return _root_of(leaf, certificates, roots, envelope.claims.signed_at)


@contextmanager
def _refusals() -> Iterator[None]:
    """Raise ``BadSignature`` for a certificate that cannot be read: cryptography has a dozen exceptions for these."""
    try:
        yield
    except BadSignature:
        raise
    except Exception as error:
        raise BadSignature(f"a certificate cannot be read: {error}") from error


def _leaf(envelope: Envelope, certificates: Iterable[x509.Certificate]) -> x509.Certificate:
    for certificate in certificates:
        if certificate.serial_number == envelope.serial and certificate.issuer.public_bytes() == envelope.issuer:
            return certificate
    raise BadSignature("the signer's certificate is missing")


def _check_leaf(leaf: x509.Certificate, envelope: Envelope) -> None:
    key = leaf.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise BadSignature("the signer's key is not on P-384")
    _check_critical(leaf)
    if not leaf.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature:
        raise BadSignature("the signer's certificate is not for signatures")
    if ExtendedKeyUsageOID.CODE_SIGNING not in leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value:
        raise BadSignature("the signer's certificate is not for code")
    try:
        key.verify(envelope.value, envelope.signed, ec.ECDSA(_HASH))
    except InvalidSignature:
        raise BadSignature("the signature does not match its attributes") from None


def _root_of(
    leaf: x509.Certificate, certificates: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], at: datetime
) -> x509.Certificate:
    below = leaf
    _check_dates(leaf, at)
    for depth in range(_DEEPEST):
        root = next(_issuers(below, roots), None)
        if root is not None:
            _check_authority(root, depth)
            _check_dates(root, at)
            return root
        below = next(_issuers(below, [each for each in certificates if each is not below]), None) or _untrusted()
        _check_authority(below, depth)
        _check_dates(below, at)
    return _untrusted()


def _untrusted() -> x509.Certificate:
    raise BadSignature("no trusted root has issued the signer's certificate")


def _issuers(below: x509.Certificate, candidates: Iterable[x509.Certificate]) -> Iterator[x509.Certificate]:
    for candidate in candidates:
        if candidate.subject == below.issuer:
            try:
                below.verify_directly_issued_by(candidate)
            except InvalidSignature:
                continue
            yield candidate


def _check_dates(certificate: x509.Certificate, at: datetime) -> None:
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise BadSignature("a certificate was not valid at the time of signing")


def _check_authority(certificate: x509.Certificate, below: int) -> None:
    """Refuse a certificate that may not issue others, with ``below`` authorities between it and the leaf."""
    _check_critical(certificate)
    extensions = certificate.extensions
    basic = extensions.get_extension_for_class(x509.BasicConstraints).value
    if not basic.ca or (basic.path_length is not None and basic.path_length < below):
        raise BadSignature("a certificate in the chain is no authority")
    for extension in extensions:
        if isinstance(extension.value, x509.KeyUsage) and not extension.value.key_cert_sign:
            raise BadSignature("an authority may not issue certificates")
        if isinstance(extension.value, x509.ExtendedKeyUsage) and _FOR_CODE.isdisjoint(extension.value):
            raise BadSignature("an authority is not for code")


def _check_critical(certificate: x509.Certificate) -> None:
    for extension in certificate.extensions:
        if extension.critical and not isinstance(extension.value, _UNDERSTOOD):
            raise BadSignature(f"a certificate has the critical extension {extension.oid.dotted_string}")
