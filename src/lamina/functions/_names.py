"""Function names, partial and full ARNs, and qualifiers: one parser for all operations."""

from __future__ import annotations

import re
from typing import NamedTuple

from lamina.errors import (
    AccessDeniedException,
    InvalidParameterValueException,
    ResourceNotFoundException,
)
from lamina.functions._live import FunctionKey
from lamina.functions._messages import functions_only, invalid
from lamina.functions._records import LATEST

# The pattern of the service model for FunctionName, as it is printed in messages.
PATTERN = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?"
    r"(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)

_NAME = re.compile(
    r"(?:arn:(?:aws[a-zA-Z-]*)?:lambda:)?"
    r"(?:(?P<region>(?:eusc-)?[a-z]{2}(?:-gov|-iso[a-z]?)?-[a-z]+-\d):)?"
    r"(?:(?P<account>\d{12}):)?"
    r"(?:function:)?"
    r"(?P<name>[a-zA-Z0-9_.-]+)"
    r"(?::(?P<qualifier>\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9_-]+))?",
    re.ASCII,
)


class Target(NamedTuple):
    """What a request names: a function and, when one is given, a qualifier of it."""

    key: FunctionKey
    qualifier: str | None = None

    @property
    def arn(self) -> str:
        """The ARN with the qualifier as it was given."""
        return self.key.arn if self.qualifier is None else f"{self.key.arn}:{self.qualifier}"

    @property
    def function(self) -> FunctionKey:
        """The function, for operations that act on it as a whole. Raises InvalidParameterValueException otherwise."""
        if self.qualifier not in (None, LATEST):
            raise functions_only()
        return self.key


def parse_target(account_id: str, region: str, operation: str, name: str, qualifier: str | None = None) -> Target:
    """The function that ``name`` (FunctionName or a function's ARN) and ``qualifier`` (Qualifier) mean.

    ``account_id`` and ``region`` are the caller's. Raises InvalidParameterValueException for two different qualifiers,
    ResourceNotFoundException for another Region, AccessDeniedException for another account, in this order, before
    anybody looks whether the function exists.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise invalid(name, "functionName", f"Member must satisfy regular expression pattern: {PATTERN}")
    target = Target(
        FunctionKey(match["account"] or account_id, match["region"] or region, match["name"]),
        _one_qualifier(match["qualifier"], qualifier),
    )
    _check_region(target.key.region, region)
    _check_account(target, account_id, operation)
    return target


def _one_qualifier(derived: str | None, given: str | None) -> str | None:
    if derived and given and derived != given:
        raise InvalidParameterValueException(
            "The derived qualifier from the function name does not match the specified qualifier."
        )
    return derived or given


def _check_region(named: str, own: str) -> None:
    if named != own:
        raise ResourceNotFoundException(f"Functions from '{named}' are not reachable in this region ('{own}')")


def _check_account(target: Target, own: str, operation: str) -> None:
    if target.key.account_id == own:
        return
    if operation == "CreateFunction":
        # Recorded: the message of this one is null.
        raise AccessDeniedException(None)
    action = "InvokeFunction" if operation == "Invoke" else operation
    raise AccessDeniedException(
        f"User: arn:aws:iam::{own}:root is not authorized to perform: lambda:{action} on resource: {target.arn} "
        f"because no resource-based policy allows the lambda:{action} action"
    )


def version_number(qualifier: str) -> int | None:
    """The number that a qualifier is, or None: for an alias, and for what no version is called, such as ``007``."""
    if not qualifier.isascii() or not qualifier.isdigit() or len(qualifier) > 9:
        return None
    number = int(qualifier)
    return number if number > 0 and str(number) == qualifier else None
