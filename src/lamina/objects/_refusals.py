"""S3's refusals in the words of Lambda (API notes, 5.9 and 6.17)."""

from __future__ import annotations

import logging
from typing import Any

from lamina.errors import InvalidParameterValueException, ServiceException

_LOG = logging.getLogger(__name__)

# Stores word these differently; clients compare with what AWS says.
_MESSAGES = {
    "AccessDenied": "Access Denied",
    "NoSuchBucket": "The specified bucket does not exist",
    "NoSuchKey": "The specified key does not exist.",
    "NoSuchVersion": "The specified version does not exist.",
    "PermanentRedirect": (
        "The bucket you are attempting to access must be addressed using the specified endpoint. "
        "Please send all future requests to this endpoint."
    ),
}
_BAD_VERSION = "Invalid version id specified"


def refusal(
    code: str, message: str, *, operation: str = "GetObject", version: str | None = None
) -> InvalidParameterValueException:
    """What Lambda says when S3 refuses; ``version`` is the one that was asked for."""
    if code == "NoSuchKey" and version is not None:
        # AWS says so of every version that is not there, and stores that look for the key first do not.
        code = "NoSuchVersion"
    if code == "InvalidArgument" and version is not None:
        message = _BAD_VERSION
    words = _MESSAGES.get(code, message) or "Unknown"
    return InvalidParameterValueException(
        f"Error occurred while {operation}. S3 Error Code: {code}. S3 Error Message: {words}"
    )


def too_large(most: int) -> InvalidParameterValueException:
    """What Lambda says of an object that is above a limit."""
    return InvalidParameterValueException(f"Zipped size must be smaller than {most} bytes")


def unreachable(operation: str, cause: object) -> ServiceException:
    """What is said of a store that does not answer, after which clients try again; the cause goes to the log."""
    _LOG.warning("%s: the object store cannot be used: %s", operation, cause)
    return ServiceException(f"Error occurred while {operation}. The object store cannot be reached.")


def is_passing(response: Any) -> bool:
    """Whether an error response of the store says that trying again may help."""
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = response.get("Error", {}).get("Code", "")
    return status >= 500 or status == 429 or code in {"SlowDown", "RequestTimeout", "InternalError"}
