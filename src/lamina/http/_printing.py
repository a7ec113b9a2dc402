"""Values as the service prints them in its messages: the way of Java's ``toString``."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from lamina.http._model import Shape


def printed(shape: Shape, value: Any) -> str:
    """A value as text. What is sensitive, or binary, is never printed and never copied."""
    if value is None:
        return "null"
    if shape.sensitive or isinstance(value, bytes):
        return "***"
    if shape.kind == "structure":
        members = (f"{member.label}={printed(member.shape, value.get(name))}" for name, member in shape.members.items())
        return f"{shape.name}({', '.join(members)})"
    if shape.kind == "list" and shape.element is not None:
        return f"[{', '.join(printed(shape.element, item) for item in value)}]"
    if shape.kind == "map" and shape.element is not None:
        return f"{{{', '.join(f'{name}={printed(shape.element, item)}' for name, item in value.items())}}}"
    return _printed_scalar(value)


def _printed_scalar(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return _printed_double(value) if isinstance(value, float) else str(value)


def _printed_double(value: float) -> str:
    """Java writes digits from 0.001 up to ten million, and a mantissa with ``E`` beyond."""
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    first, *others = map(str, digits)
    mantissa = f"{'-' * sign}{first}.{''.join(others) or '0'}"
    return f"{mantissa}E{len(others) + int(exponent)}"
