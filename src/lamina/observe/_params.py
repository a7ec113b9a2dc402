"""Reading the members of a request to the logs service, with the service's own errors."""

from __future__ import annotations

from typing import Any, TypeVar

from lamina.errors import InvalidParameterException

T = TypeVar("T")

Params = dict[str, Any]


def text(params: Params, name: str, *, may_be_empty: bool = False) -> str | None:
    """A string, or None when it is not there."""
    value = _typed(params, name, str)
    if value == "" and not may_be_empty:
        raise InvalidParameterException(
            f"1 validation error detected: Value '' at '{name}' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1"
        )
    return value


def flag(params: Params, name: str) -> bool:
    """A boolean, false when it is not there."""
    return bool(_typed(params, name, bool))


def texts(params: Params, name: str) -> list[str] | None:
    """A list of strings, or None when it is not there."""
    values = _typed(params, name, list)
    if values is not None and not all(isinstance(value, str) for value in values):
        raise InvalidParameterException(f"{name} is not a list of strings.")
    return values


def number(params: Params, name: str, low: int, high: int | None = None) -> int | None:
    """An integer within its bounds, or None when it is not there."""
    value = params.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidParameterException(f"{name} is not an integer.")
    if value < low or (high is not None and value > high):
        bound = f"greater than or equal to {low}" if value < low else f"less than or equal to {high}"
        raise InvalidParameterException(
            f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: "
            f"Member must have value {bound}"
        )
    return value


def group_name(params: Params) -> str:
    """The group from ``logGroupName``, or from ``logGroupIdentifier``, which may be an ARN."""
    name = text(params, "logGroupName")
    identifier = text(params, "logGroupIdentifier")
    if (name is None) == (identifier is None):
        raise InvalidParameterException("Exactly one of logGroupName and logGroupIdentifier must be given.")
    if name is not None:
        return name
    assert identifier is not None
    return identifier.partition(":log-group:")[2].removesuffix(":*") if identifier.startswith("arn:") else identifier


def _typed(params: Params, name: str, kind: type[T]) -> T | None:
    value = params.get(name)
    if value is not None and not isinstance(value, kind):
        raise InvalidParameterException(f"{name} is not of the right type.")
    return value
