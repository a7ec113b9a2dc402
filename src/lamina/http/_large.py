"""A large blob inside JSON: decoded where it lies, so that a package of 50 MB is not copied as text first.

Base64 has no character that JSON escapes. So between two quotes that are far apart and only such characters lies one
whole string, and what is between a closing and the next opening quote can never look like it.
"""

from __future__ import annotations

import binascii
import secrets
from dataclasses import dataclass
from typing import Any

import pybase64

_LARGE = 524_288
_MOST_QUOTES = 256
_TOKEN = secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class Cut:
    """A blob that was taken out of a document: its decoded ``data``, and the ``rest`` with a token in its place."""

    data: bytes
    rest: bytes

    def restore(self, document: Any) -> Any:
        """The parsed rest, with this object where the token stands."""
        if document == _TOKEN:
            return self
        if isinstance(document, dict):
            return {name: self.restore(value) for name, value in document.items()}
        return document


def cut(body: bytes | bytearray) -> Cut | None:
    """Take out the first large blob, or None where there is none."""
    if len(body) < _LARGE:
        return None
    start = body.find(b'"')
    for _ in range(_MOST_QUOTES):
        end = body.find(b'"', start + 1)
        if start < 0 or end < 0:
            return None
        if end - start > _LARGE:
            return _cut(body, start + 1, end)
        start = end
    return None


def _cut(body: bytes | bytearray, start: int, end: int) -> Cut | None:
    with memoryview(body) as view:
        try:
            data = pybase64.b64decode(view[start:end], validate=True)
        except binascii.Error:
            return None
        return Cut(data, b"".join((view[:start], _TOKEN.encode(), view[end:])))
