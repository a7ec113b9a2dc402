"""From the errors of KMS to those of Lambda, and to the reason codes beside a function's state."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lamina.errors import (
    InvalidParameterValueException,
    KMSAccessDeniedException,
    KMSDisabledException,
    KMSInvalidStateException,
    KMSNotFoundException,
    ServiceError,
    ServiceException,
)

_Failure = type[ServiceError]

_CAUSES: Mapping[str, tuple[_Failure, str]] = MappingProxyType(
    {
        "DisabledException": (KMSDisabledException, "the KMS key is disabled"),
        "KMSInvalidStateException": (KMSInvalidStateException, "the state of the KMS key is not valid"),
        "NotFoundException": (KMSNotFoundException, "the KMS key was not found"),
    }
)
_DENIED = (KMSAccessDeniedException, "KMS access was denied")

_INVALID = frozenset(
    {
        "InvalidArnException",
        "InvalidKeyUsageException",
        "NotFoundException",
        "UnsupportedOperationException",
        "ValidationException",
    }
)

_REASON_CODES: Mapping[_Failure, str] = MappingProxyType(
    {
        KMSAccessDeniedException: "KMSKeyAccessDenied",
        KMSDisabledException: "DisabledKMSKey",
        KMSInvalidStateException: "InvalidStateKMSKey",
        KMSNotFoundException: "KMSKeyNotFound",
    }
)


def cannot_decrypt(code: str, message: str | None, subject: str) -> ServiceError:
    """Lambda's error for a refusal of KMS when something is to be decrypted."""
    failure, cause = _CAUSES.get(code, _DENIED)
    return failure(
        f"Lambda was unable to decrypt the {subject} because {cause}. Please check the function's KMS key settings. "
        f"KMS Exception: {code}KMS Message: {message or ''}"
    )


def cannot_encrypt(code: str, message: str | None, subject: str) -> ServiceError:
    """Lambda's error for a refusal of KMS on create and update."""
    failure, cause = _CAUSES.get(code, _DENIED)
    if code in _INVALID:
        failure, cause = InvalidParameterValueException, "the KMS key is invalid for CreateGrant"
    return failure(
        f"Lambda was unable to configure access to your {subject} because {cause}. Please check your KMS key settings. "
        f"KMS Exception: {code}KMS Message: {message or ''}"
    )


def unreachable(subject: str) -> ServiceError:
    """Lambda's error when KMS does not answer or makes no sense; what it was stands in the log."""
    return ServiceException(f"Lambda was unable to use the key of the {subject} because KMS did not answer.")


def reason_code(error: BaseException) -> str | None:
    """The StateReasonCode or LastUpdateStatusReasonCode of an error of a KMS key, None for any other error."""
    return _REASON_CODES.get(type(error))  # type: ignore[arg-type]
