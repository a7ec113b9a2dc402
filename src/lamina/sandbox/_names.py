"""Rewriting the paths and the address of AWS's sandbox to others, where nothing can be mounted or bound (level E)."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """``value`` (JSON) with each name in ``names`` that stands by itself in a text replaced."""
    if not names:
        return value
    if isinstance(value, dict):
        return {key: renamed(member, names) for key, member in value.items()}
    if isinstance(value, list):
        return [renamed(member, names) for member in value]
    return rewrite(value, names) if isinstance(value, str) else value


def rewrite(text: str, names: Mapping[str, str]) -> str:
    """``text`` with each name replaced that is no part of a longer one: ``/opt`` in ``/opt/lib``, not in ``/opt2``."""
    if not names:
        return text
    longest_first = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.sub(rf"(?<![\w/.-])({longest_first})(?![\w.-])", lambda match: names[match[1]], text)
