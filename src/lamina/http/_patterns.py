"""The patterns of the model are Java's; these are the same in Python."""

from __future__ import annotations

import re
from functools import lru_cache

# In the models \p{L}, \p{N} and "_" always stand together in a class: that is what \w means in Python.
_PROPERTIES = {"L": r"\w", "N": r"\w", "Z": "\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"}
_ANY = r"[^\n\r\x85\u2028\u2029]"
_TOKEN = re.compile(r"\\p\{(?P<property>\w+)\}|\\.|\[\^?|\]|\.|[^\\\[\].]+", re.DOTALL)


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> re.Pattern[str]:
    """A Java pattern as Python's, to be used with ``fullmatch``. Java's ``\\d``, ``\\s`` and ``\\w`` are ASCII."""
    flags = re.RegexFlag(0) if r"\p{" in pattern else re.ASCII
    return re.compile("".join(_translated(pattern)), flags)


def _translated(pattern: str) -> list[str]:
    parts: list[str] = []
    in_class = False
    for token in _TOKEN.finditer(pattern):
        text = token[0]
        if text[0] == "[" and not in_class:
            in_class = True
        elif text == "]":
            in_class = False
        elif token["property"]:
            inner = _PROPERTIES[token["property"]]
            text = inner if in_class else f"[{inner}]"
        elif text == "." and not in_class:
            text = _ANY
        parts.append(text)
    return parts
