"""Verify: what can be said about a package before it is opened."""

from __future__ import annotations

from lamina.errors import InvalidParameterValueException, RequestEntityTooLargeException


def verify(data: bytes, largest: int) -> None:
    """Refuse an empty zip (400) and one of more than ``largest`` bytes (413)."""
    if len(data) > largest:
        raise RequestEntityTooLargeException(f"Zipped size must be smaller than {largest} bytes")
    if not data:
        raise InvalidParameterValueException("Uploaded file must be a non-empty zip")
