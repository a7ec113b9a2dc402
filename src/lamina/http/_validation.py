"""The constraints of the model, checked and reported in the recorded words (API notes, 1A)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from lamina.errors import InvalidParameterValueException, ServiceError, ValidationException
from lamina.http._model import Operation, Shape
from lamina.http._patterns import compiled
from lamina.http._printing import printed

_NOT_NULL = "Member must not be null"
_LONGEST_PLAIN_NAME = 64


class _Violation(NamedTuple):
    shape: Shape
    value: Any
    path: str
    constraint: str

    def __str__(self) -> str:
        return f"Value{_shown(self.shape, self.value)} at '{self.path}' failed to satisfy constraint: {self.constraint}"


def validate(operation: Operation, params: Mapping[str, Any]) -> None:
    """Check an operation's input against its model; ``params`` as ``parse`` made them.

    Raises ValidationException with all violations in the order of the service, or InvalidParameterValueException for
    the two members that the service checks later than the rest: the runtime, and a plain name in CreateFunction.
    """
    violations: list[_Violation] = []
    _check_structure(operation.input.shape, params, "", violations)
    if violations:
        raise _error(operation, violations)
    if operation.name == "CreateFunction":
        _check_plain_name(operation, params["FunctionName"])


def _error(operation: Operation, violations: list[_Violation]) -> ServiceError:
    others = [violation for violation in violations if violation.path != "runtime"]
    if not others:
        _, value, path, constraint = violations[0]
        return InvalidParameterValueException(
            f"Value {value} at '{path}' failed to satisfy constraint: {constraint} or be a valid ARN"
        )
    if operation.name == "CreateFunction" and len(others) == 1 and _is_plain_name_too_long(others[0]):
        return InvalidParameterValueException(_summary([_too_long(others[0].shape, others[0].value)]))
    return ValidationException(_summary(others))


def _is_plain_name_too_long(violation: _Violation) -> bool:
    is_length = violation.constraint.startswith("Member must have length less")
    return is_length and violation.path == "functionName" and ":" not in violation.value


def _check_plain_name(operation: Operation, name: str) -> None:
    if len(name) > _LONGEST_PLAIN_NAME and ":" not in name:
        shape = operation.input.shape.members["FunctionName"].shape
        raise InvalidParameterValueException(_summary([_too_long(shape, name)]))


def _too_long(shape: Shape, name: str) -> _Violation:
    limit = f"Member must have length less than or equal to {_LONGEST_PLAIN_NAME}"
    return _Violation(shape, name, "functionName", limit)


def _summary(violations: list[_Violation]) -> str:
    count = len(violations)
    plural = "" if count == 1 else "s"
    return f"{count} validation error{plural} detected: {'; '.join(map(str, violations))}"


def _shown(shape: Shape, value: Any) -> str:
    if value is None:
        return " null"
    return "" if shape.sensitive else f" '{printed(shape, value)}'"


def _check(shape: Shape, value: Any, path: str, violations: list[_Violation]) -> None:
    if shape.kind == "structure":
        _check_structure(shape, value, path, violations)
    elif shape.kind == "list":
        _check_list(shape, value, path, violations)
    elif shape.kind == "map":
        _check_map(shape, value, path, violations)
    else:
        violations.extend(_Violation(shape, value, path, broken) for broken in _broken(shape, value))


def _check_structure(shape: Shape, value: Mapping[str, Any], path: str, violations: list[_Violation]) -> None:
    prefix = f"{path}." if path else ""
    for member in shape.checked:
        held = value.get(member.name)
        if held is not None:
            _check(member.shape, held, prefix + member.label, violations)
        elif member.required:
            violations.append(_Violation(member.shape, None, prefix + member.label, _NOT_NULL))


def _check_list(shape: Shape, value: list[Any], path: str, violations: list[_Violation]) -> None:
    violations.extend(_Violation(shape, value, path, broken) for broken in _broken(shape, value))
    element = shape.element
    if element is None:
        return
    if None in value or (_is_scalar(element) and any(_is_broken(element, item) for item in value)):
        violations.append(_Violation(shape, value, path, _element_constraint(shape, element)))
    if not _is_scalar(element):
        for position, item in enumerate(value, start=1):
            if item is not None:
                _check(element, item, f"{path}.{position}.member", violations)


def _check_map(shape: Shape, value: dict[str, Any], path: str, violations: list[_Violation]) -> None:
    violations.extend(_Violation(shape, value, path, broken) for broken in _broken(shape, value))
    key, element = shape.key, shape.element
    if key is None or element is None:
        return
    if any(_is_broken(key, name) for name in value):
        keys = ", ".join(_constraints(key))
        violations.append(_Violation(shape, value, path, f"Map keys must satisfy constraint: [{keys}]"))
    held = value.values()
    if None in held or (_is_scalar(element) and any(_is_broken(element, item) for item in held)):
        values = ", ".join((*_constraints(element), _NOT_NULL))
        violations.append(_Violation(shape, value, path, f"Map value must satisfy constraint: [{values}]"))
    if not _is_scalar(element):
        for name, item in value.items():
            if item is not None:
                _check(element, item, f"{path}.{name}.member", violations)


def _is_scalar(shape: Shape) -> bool:
    return shape.kind not in ("structure", "list", "map")


def _element_constraint(shape: Shape, element: Shape) -> str:
    constraints = _constraints(element)
    if shape.bare:
        return ", ".join(constraints)
    if not shape.sparse:
        constraints.append(_NOT_NULL)
    return f"Member must satisfy constraint: [{', '.join(constraints)}]"


def _is_number(shape: Shape) -> bool:
    return shape.kind in ("integer", "long", "double", "float")


def _constraints(shape: Shape) -> list[str]:
    """All constraints of a scalar, in the order in which the service prints them."""
    texts = []
    if shape.maximum is not None:
        texts.append(_at_most(shape))
    if shape.minimum is not None:
        texts.append(_at_least(shape))
    if shape.pattern is not None:
        texts.append(_matches(shape))
    if shape.enum is not None:
        texts.append(_one_of(shape))
    return texts


def _broken(shape: Shape, value: Any) -> list[str]:
    """Those of the constraints of a value itself, not of what it holds, that it breaks."""
    texts = []
    size = value if _is_number(shape) else len(value) if isinstance(value, str | bytes | list | dict) else None
    if size is not None and shape.maximum is not None and size > shape.maximum:
        texts.append(_at_most(shape))
    if size is not None and shape.minimum is not None and size < shape.minimum:
        texts.append(_at_least(shape))
    if shape.pattern is not None and compiled(shape.pattern).fullmatch(value) is None:
        texts.append(_matches(shape))
    if shape.enum is not None and value not in shape.enum:
        texts.append(_one_of(shape))
    return texts


def _is_broken(shape: Shape, value: Any) -> bool:
    return value is not None and shape.is_constrained and bool(_broken(shape, value))


def _at_most(shape: Shape) -> str:
    what = "value" if _is_number(shape) else "length"
    return f"Member must have {what} less than or equal to {shape.maximum}"


def _at_least(shape: Shape) -> str:
    what = "value" if _is_number(shape) else "length"
    return f"Member must have {what} greater than or equal to {shape.minimum}"


def _matches(shape: Shape) -> str:
    return f"Member must satisfy regular expression pattern: {shape.pattern}"


def _one_of(shape: Shape) -> str:
    return f"Member must satisfy enum value set: [{shape.shown}]"
