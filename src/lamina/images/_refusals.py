"""What is told when an image cannot be had: errors of a request, and reasons of a state."""

from __future__ import annotations

from typing import ClassVar

from lamina.errors import AccessDeniedException, InvalidParameterValueException, ServiceError, ServiceException
from lamina.images._faults import Bad, Denied, Fault, Missing, Unsupported

_NOT_PERMITTED = "Lambda does not have permission to access the ECR image. Check the ECR permissions."
_INTERNAL = "The service encountered an internal error."


class ImageUnavailable(Exception):
    """An image that was accepted cannot be had now.

    ``reason_code`` is the API's StateReasonCode and LastUpdateStatusReasonCode, ``message`` the reason beside it. The
    exact cause is the ``__cause__``. This class itself stands for a registry that does not answer: asking again later
    may help.
    """

    reason_code: ClassVar[str] = "InternalError"

    def __init__(self, message: str = _INTERNAL) -> None:
        super().__init__(message)
        self.message = message


class ImageAccessDenied(ImageUnavailable):
    """The registry does not let us have the image."""

    reason_code = "ImageAccessDenied"


class ImageDeleted(ImageUnavailable):
    """The image is not in its registry any more."""

    reason_code = "ImageDeleted"


class InvalidImage(ImageUnavailable):
    """The image is damaged, hostile, too large, or of a kind that is not supported."""

    reason_code = "InvalidImage"


def not_valid(uri: str) -> InvalidParameterValueException:
    """The answer to a malformed reference (API notes 5.10)."""
    return InvalidParameterValueException(_not_valid(uri))


def refusal(fault: Fault, uri: str, name: str) -> ServiceError:
    """The answer to a request for the image ``uri`` in the repository ``name``, registry included."""
    match fault:
        case Missing():
            return InvalidParameterValueException(_not_existing(uri))
        case Denied():
            return AccessDeniedException(_NOT_PERMITTED)
        case Unsupported():
            return InvalidParameterValueException(_not_supported(name, fault.digest))
        case Bad():
            return not_valid(uri)
    return ServiceException()


def unavailable(fault: Fault, uri: str, name: str) -> ImageUnavailable:
    """The same as the reason of a state."""
    match fault:
        case Missing():
            return ImageDeleted(_not_existing(uri))
        case Denied():
            return ImageAccessDenied(_NOT_PERMITTED)
        case Unsupported():
            return InvalidImage(_not_supported(name, fault.digest))
        case Bad():
            return InvalidImage(_not_valid(uri))
    return ImageUnavailable()


def _not_valid(uri: str) -> str:
    return f"Source image {uri} is not valid. Provide a valid source image."


def _not_existing(uri: str) -> str:
    return f"Source image {uri} does not exist. Provide a valid source image."


def _not_supported(name: str, digest: str) -> str:
    return f"The image manifest or layer media type for the source image {name}@{digest} is not supported."
