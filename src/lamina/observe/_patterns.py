"""CloudWatch Logs filter patterns for unstructured messages: terms, phrases, ``?either ?or``, ``-without``."""

from __future__ import annotations

import re
from collections.abc import Callable

from lamina.errors import InvalidParameterException

_TERM = re.compile(r'\s*([?-]?)(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))(?=\s|$)')
_ESCAPE = re.compile(r"\\(.)")


def compile_pattern(pattern: str) -> Callable[[str], bool] | None:
    """A test for messages, or None for the empty pattern, which everything matches.

    Every plain term and phrase must be in the message, none with a minus may be; of those with a question mark one
    must be, unless there are others, in which case AWS ignores them. Upper and lower case differ. Raises
    ``InvalidParameterException`` for patterns of JSON, of columns and with regular expressions.
    """
    wanted: list[str] = []
    either: list[str] = []
    unwanted: list[str] = []
    for sign, term in _terms(pattern.strip()):
        {"": wanted, "?": either, "-": unwanted}[sign].append(term)
    if wanted or unwanted:
        return lambda message: all(t in message for t in wanted) and not any(t in message for t in unwanted)
    if either:
        return lambda message: any(term in message for term in either)
    return None


def _terms(pattern: str) -> list[tuple[str, str]]:
    if pattern[:1] in ("{", "[", "%"):
        kind = {"{": "JSON", "[": "column", "%": "regular expression"}[pattern[0]]
        raise InvalidParameterException(
            f"Invalid filter pattern: {kind} patterns are not supported, only terms and quoted phrases."
        )
    terms: list[tuple[str, str]] = []
    at = 0
    while at < len(pattern):
        match = _TERM.match(pattern, at)
        if match is None:
            raise InvalidParameterException(f"Invalid filter pattern: cannot read it from character {at + 1}.")
        sign, phrase, word = match.groups()
        terms.append((sign, word if phrase is None else _ESCAPE.sub(r"\1", phrase)))
        at = match.end()
    return terms
