"""Whether the signature in a package holds, apart from who may sign and until when."""

from __future__ import annotations

import hmac
from datetime import datetime
from typing import NamedTuple

from lamina.signing._authority import Authority
from lamina.signing._claims import BadSignature, Signature, check_claims
from lamina.signing._content import Digests, read_signed
from lamina.signing._envelope import Envelope, message_digest, read_envelope
from lamina.signing._zip import BadZip


class Inspected(NamedTuple):
    """A signature that holds. ``is_own`` says that this server's authority made it, so its state must know the job."""

    signature: Signature
    is_own: bool


def inspect(data: memoryview, authority: Authority, now: datetime) -> Inspected | None:
    """The signature of a package; None when the package has none. Blocks: everything is inflated, in pieces.

    Raises ``BadSignature`` when the package, the signature, its certificates or its claims do not hold, and
    ``AuthorityError`` when the trusted roots cannot be read. An expired signature holds.
    """
    try:
        found = read_signed(data)
    except BadZip as error:
        raise BadSignature(f"the zip cannot be read: {error}") from error
    if found is None:
        return None
    text, digests = found
    envelope = read_envelope(text)
    _check_digests(envelope, digests)
    check_claims(envelope.claims, now)
    return Inspected(envelope.claims, is_own=_is_own(envelope, authority))


def _check_digests(envelope: Envelope, digests: Digests) -> None:
    if not hmac.compare_digest(envelope.digest, message_digest(digests.content)):
        raise BadSignature("the content was changed after it was signed")
    if envelope.framing is not None and not hmac.compare_digest(envelope.framing, digests.framing):
        raise BadSignature("the boundaries or kinds of the entries were changed after they were signed")


def _is_own(envelope: Envelope, authority: Authority) -> bool:
    from lamina.signing import _certificates

    own, trusted = authority.roots()
    return _certificates.check_envelope(envelope, trusted) == own
