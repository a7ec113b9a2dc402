"""The recorded words of the errors, each in one place (API notes, sections 2 to 16)."""

from __future__ import annotations

from lamina.errors import (
    CodeStorageExceededException,
    InvalidParameterValueException,
    PolicyLengthExceededException,
    PreconditionFailedException,
    ResourceConflictException,
    ResourceNotFoundException,
    ValidationException,
)
from lamina.functions._live import FunctionKey


def violation(value: object, member: str, constraint: str) -> str:
    """The text of one broken constraint, as the service words it."""
    return f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {constraint}"


def invalid(value: object, member: str, constraint: str) -> ValidationException:
    """A constraint that the service model does not have, such as the limit of an account."""
    return ValidationException(violation(value, member, constraint))


def function_not_found(arn: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"Function not found: {arn}")


def alias_arn_not_found(key: FunctionKey, alias: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"Cannot find alias arn: {key.arn}:{alias}")


def alias_not_found(key: FunctionKey, alias: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"Alias not found: {key.arn}:{alias}")


def alias_exists(key: FunctionKey, alias: str) -> ResourceConflictException:
    return ResourceConflictException(f"Alias already exists: {key.arn}:{alias}")


def resource_not_found() -> ResourceNotFoundException:
    return ResourceNotFoundException("The resource you requested does not exist.")


def function_exists(name: str) -> ResourceConflictException:
    return ResourceConflictException(f"Function already exist: {name}")


def update_in_progress(key: FunctionKey) -> ResourceConflictException:
    return ResourceConflictException(
        f"The operation cannot be performed at this time. An update is in progress for resource: {key.arn}"
    )


def wrong_state(state: str) -> ResourceConflictException:
    return ResourceConflictException(
        f"The operation cannot be performed at this time. The function is currently in the following state: {state}"
    )


def stale_revision(call: str = "GetFunction/GetAlias") -> PreconditionFailedException:
    return PreconditionFailedException(
        "The Revision Id provided does not match the latest Revision Id. "
        f"Call the {call} API to retrieve the latest Revision Id"
    )


def functions_only() -> InvalidParameterValueException:
    return InvalidParameterValueException(
        "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. "
        "Please specify either a function name or an unqualified function ARN."
    )


def other_code(given: str, actual: str) -> InvalidParameterValueException:
    return InvalidParameterValueException(
        f"CodeSHA256 ({given}) is different from current CodeSHA256 in $LATEST ({actual}). "
        "Please try again with the CodeSHA256 in $LATEST."
    )


def code_storage_exceeded() -> CodeStorageExceededException:
    return CodeStorageExceededException("Code storage limit exceeded.")


def too_many_tags() -> InvalidParameterValueException:
    return InvalidParameterValueException("Number of tags exceeds resource tag limit.")


def not_yet(member: str) -> InvalidParameterValueException:
    """For what AWS has and this version has not: refused, rather than stored and ignored."""
    return InvalidParameterValueException(f"{member} is not supported by this version of Lamina yet.")


def statement_exists(statement_id: str) -> ResourceConflictException:
    return ResourceConflictException(
        f"The statement id ({statement_id}) provided already exists. "
        "Please provide a new statement id, or remove the existing statement."
    )


def policy_too_long(size: int, limit: int) -> PolicyLengthExceededException:
    return PolicyLengthExceededException(f"The final policy size ({size}) is bigger than the limit ({limit}).")
