"""Code signing: the signature in a package, who may sign, what is revoked, and the Signer API."""

from __future__ import annotations

from lamina.signing._api import SignerApi
from lamina.signing._authority import Authority, AuthorityError
from lamina.signing._claims import BadSignature, Signature
from lamina.signing._content import AlreadySigned, Digests, add_signature, digests_to_sign
from lamina.signing._inspect import Inspected, inspect
from lamina.signing._objects import ObjectStore
from lamina.signing._payload import PAYLOAD_FORMAT, write_payload
from lamina.signing._trust import Policy, Trust
from lamina.signing._verification import Fault, Verification
from lamina.signing._zip import BadZip, may_be_signed

__all__ = [
    "PAYLOAD_FORMAT",
    "AlreadySigned",
    "Authority",
    "AuthorityError",
    "BadSignature",
    "BadZip",
    "Digests",
    "Fault",
    "Inspected",
    "ObjectStore",
    "Policy",
    "Signature",
    "SignerApi",
    "Trust",
    "Verification",
    "add_signature",
    "digests_to_sign",
    "inspect",
    "may_be_signed",
    "write_payload",
]
