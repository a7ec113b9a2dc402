"""The conditions of key policies (IAM User Guide, "Condition operators").

Known are the String and Arn operators, Bool and Null, each with ``IfExists``, and the condition keys
``aws:PrincipalArn``, ``aws:PrincipalAccount``, ``kms:CallerAccount``, ``kms:ViaService`` and
``kms:EncryptionContext:…``. What is not known counts against the caller: an Allow does not hold and a Deny does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

Facts = Mapping[str, str | None]
"""What is known of a use by the lower-case name of the condition key; None for what it does not have."""

Condition = Mapping[str, Mapping[str, Any]]

_CONTEXT = "kms:encryptioncontext:"
_IF_EXISTS = "IfExists"


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    first, *others = (re.escape(part).replace(r"\?", ".") for part in re.split(r"\*+", pattern))
    if not others:
        return re.compile(first, re.DOTALL)
    # Each part is taken where it is found first, for good: no pattern can make the search run wild.
    *middle, last = others
    return re.compile(first + "".join(f"(?>.*?{part})" for part in middle) + ".*" + last, re.DOTALL)


def wildcard(pattern: str, text: str) -> bool:
    """Whether the whole text is like the pattern, in which ``*`` is anything and ``?`` one character."""
    return _compiled(pattern).fullmatch(text) is not None


def must_hold(condition: Condition, facts: Facts) -> bool:
    """Whether the condition holds for certain."""
    return all(verdict is True for verdict in _verdicts(condition, facts))


def may_hold(condition: Condition, facts: Facts) -> bool:
    """Whether the condition holds, or nobody can say."""
    return all(verdict is not False for verdict in _verdicts(condition, facts))


def _verdicts(condition: Condition, facts: Facts) -> list[bool | None]:
    return [
        _verdict(operator, key.lower(), operands, facts)
        for operator, held in condition.items()
        for key, operands in held.items()
    ]


def _verdict(operator: str, key: str, operands: Any, facts: Facts) -> bool | None:
    """Whether one comparison holds; None when the operator or the key is not known."""
    if key not in facts and not key.startswith(_CONTEXT):
        return None
    wanted = [_text(each) for each in (operands if isinstance(operands, list) else [operands])]
    value = facts.get(key)
    if operator == "Null":
        return str(value is None).lower() in wanted
    name = operator.removesuffix(_IF_EXISTS)
    negated, compare = _OPERATORS.get(name, (False, None))
    if compare is None:
        return None
    if value is None:
        return negated or operator.endswith(_IF_EXISTS)
    return any(compare(each, value) for each in wanted) != negated


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _equal(wanted: str, value: str) -> bool:
    return wanted == value


def _equal_in_any_case(wanted: str, value: str) -> bool:
    return wanted.casefold() == value.casefold()


_OPERATORS: Mapping[str, tuple[bool, Callable[[str, str], bool]]] = MappingProxyType(
    {
        "StringEquals": (False, _equal),
        "StringNotEquals": (True, _equal),
        "StringEqualsIgnoreCase": (False, _equal_in_any_case),
        "StringNotEqualsIgnoreCase": (True, _equal_in_any_case),
        "StringLike": (False, wildcard),
        "StringNotLike": (True, wildcard),
        "ArnEquals": (False, wildcard),
        "ArnLike": (False, wildcard),
        "ArnNotEquals": (True, wildcard),
        "ArnNotLike": (True, wildcard),
        "Bool": (False, _equal_in_any_case),
    }
)
"""By name: whether the comparison is negated, and the comparison of (wanted, value)."""
