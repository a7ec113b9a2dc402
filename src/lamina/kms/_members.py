"""Members that several operations share, and those that this KMS refuses."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from lamina.errors import (
    InvalidGrantTokenException,
    InvalidKeyUsageException,
    InvalidMarkerException,
    UnsupportedOperationException,
    ValidationException,
)
from lamina.kms._records import ALGORITHM

T = TypeVar("T")

Params = Mapping[str, Any]
Answer = dict[str, Any]

_CONTEXT_BYTES = 8192


def refuse(params: Params, *names: str) -> None:
    """Raise UnsupportedOperationException for a member that has a value: ignoring it would be a lie."""
    for name in names:
        if params.get(name):
            raise UnsupportedOperationException(f"{name} is not supported by the KMS of Lamina.")


def check_tokens(params: Params) -> None:
    """Raise InvalidGrantTokenException for any grant token: there are no grants, so nobody has one."""
    if params.get("GrantTokens"):
        raise InvalidGrantTokenException("A grant token is not valid.")


def check_algorithm(params: Params, name: str = "EncryptionAlgorithm") -> None:
    """Raise InvalidKeyUsageException for an algorithm that symmetric keys do not have."""
    algorithm = params.get(name, ALGORITHM)
    if algorithm != ALGORITHM:
        raise InvalidKeyUsageException(f"Algorithm {algorithm} is not compatible with key spec {ALGORITHM}.")


def context_of(params: Params, name: str = "EncryptionContext") -> dict[str, str]:
    """The encryption context, empty without one. Raises ValidationException when it is too long."""
    context: dict[str, str] = params.get(name) or {}
    if sum(len(text.encode()) for pair in context.items() for text in pair) > _CONTEXT_BYTES:
        raise ValidationException(f"The encryption context must not be longer than {_CONTEXT_BYTES} bytes.")
    return context


def page(
    params: Params, member: str, default: int, find: Callable[[str, int], Sequence[T]], position: Callable[[T], str]
) -> tuple[Sequence[T], Answer]:
    """The entries that Limit and Marker ask for, and the members that lead to the next.

    ``find`` gives at most a number of entries from a position on. Raises InvalidMarkerException.
    """
    size = params.get("Limit") or default
    found = find(_start(params.get("Marker"), member), size + 1)
    if len(found) <= size:
        return found, {"Truncated": False}
    marker = urlsafe_b64encode(f"{member} {position(found[size])}".encode()).decode()
    return found[:size], {"Truncated": True, "NextMarker": marker}


def _start(marker: str | None, member: str) -> str:
    if marker is None:
        return ""
    try:
        name, separator, start = urlsafe_b64decode(marker.encode()).decode().partition(" ")
    except (binascii.Error, ValueError):
        name, separator, start = "", "", ""
    if name != member or not separator:
        raise InvalidMarkerException("The marker is not one that this list has given.")
    return start
