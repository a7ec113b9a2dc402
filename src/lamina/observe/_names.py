"""File names for names of groups and streams, which may contain anything."""

from __future__ import annotations

import hashlib
from urllib.parse import quote, unquote

_LONGEST = 200
_KEPT = 120


def file_name(name: str) -> str:
    """A name of at most 200 bytes with no slash and no leading dot, different for different names.

    It is percent-encoded; of a long one only the beginning is kept, with a hash of the whole after a tilde.
    """
    if not name:
        raise ValueError("an empty name")
    quoted = quote(name, safe="").replace("~", "%7E")
    if quoted.startswith("."):
        quoted = "%2E" + quoted[1:]
    if len(quoted) <= _LONGEST:
        return quoted
    return f"{quoted[:_KEPT]}~{hashlib.sha256(name.encode()).hexdigest()}"


def plain_name(encoded: str) -> str | None:
    """The name that ``file_name`` encoded, or None if it was a long one."""
    return None if "~" in encoded else unquote(encoded)
