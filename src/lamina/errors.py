"""Every error of the service: one class a code, raised anywhere, turned into a response at one edge.

The HTTP status and the case of the message key (``message`` or ``Message``) are not here: ``lamina.http`` reads
them from the service model, and uses ``status`` below only for the codes that the model does not know.

    ServiceError
    ├── InvalidParameterValueException     ├── ResourceNotFoundException
    ├── ResourceConflictException          ├── PreconditionFailedException
    ├── TooManyRequestsException           ├── CodeStorageExceededException
    ├── InvalidRequestContentException     ├── PolicyLengthExceededException
    ├── ServiceException
    └── Unmodelled
        ├── ValidationException            ├── AccessDeniedException
        ├── RequestEntityTooLargeException ├── UnknownOperationException
        ├── NotImplementedException        ├── MissingAuthenticationTokenException
        ├── UnrecognizedClientException    ├── InvalidSignatureException
        ├── IncompleteSignatureException   ├── SerializationException
        ├── InvalidParameterException      └── ForbiddenException
"""

from __future__ import annotations

from typing import ClassVar


class ServiceError(Exception):
    """An answer other than success, in the words of the service.

    ``typed`` is false for the few recorded errors whose body has no ``Type`` (API notes, 1.6); ``members`` are further
    members of the error's shape, such as ``Reason``.
    """

    status: ClassVar[int] = 400

    def __init__(self, message: str | None, *, typed: bool = True, **members: str) -> None:
        super().__init__(message)
        self.message = message
        self.typed = typed
        self.members = members

    @property
    def code(self) -> str:
        """The error code as clients compare it: the name of the class."""
        return type(self).__name__


class InvalidParameterValueException(ServiceError):
    """One of the parameters in the request is not valid."""


class ResourceNotFoundException(ServiceError):
    """The resource specified in the request does not exist."""

    status = 404


class ResourceConflictException(ServiceError):
    """The resource already exists, or another operation is in progress."""

    status = 409


class PreconditionFailedException(ServiceError):
    """The RevisionId provided does not match the latest RevisionId."""

    status = 412


class TooManyRequestsException(ServiceError):
    """The request throughput limit was exceeded."""

    status = 429


class CodeStorageExceededException(ServiceError):
    """The account's total code size is above its limit."""


class PolicyLengthExceededException(ServiceError):
    """The permissions policy for the resource is too large."""


class InvalidRequestContentException(ServiceError):
    """The request body could not be parsed as JSON."""


class ServiceException(ServiceError):
    """The service encountered an internal error. What it was stands in the server's log, never in the answer."""

    status = 500

    def __init__(self, message: str = "The service encountered an internal error.") -> None:
        super().__init__(message)


class Unmodelled(ServiceError):
    """Codes that the service sends although its model does not have them; the body is ``{"message": ...}`` alone."""


class ValidationException(Unmodelled):
    """A member of the request breaks a constraint of the service model."""


class SerializationException(Unmodelled):
    """The request is not JSON, or a member of it is not of its type."""


class InvalidParameterException(Unmodelled):
    """A parameter of a request to the logs service is not valid."""


class AccessDeniedException(Unmodelled):
    """The caller may not do this."""

    status = 403


class RequestEntityTooLargeException(Unmodelled):
    """The request or the package in it is larger than allowed."""

    status = 413


class UnknownOperationException(Unmodelled):
    """No operation of the service has this method and path."""

    status = 404


class NotImplementedException(Unmodelled):
    """The operation is in the service model but Lamina does not have it yet."""

    status = 501


class MissingAuthenticationTokenException(Unmodelled):
    """The request carries no credentials."""

    status = 403


class IncompleteSignatureException(Unmodelled):
    """The Authorization header or query lacks a part, or the part is malformed."""

    status = 403


class UnrecognizedClientException(Unmodelled):
    """The security token included in the request is invalid."""

    status = 403


class InvalidSignatureException(Unmodelled):
    """The signature does not match, or its time is out of range."""

    status = 403


class ForbiddenException(Unmodelled):
    """The request comes from where no request may come from, such as a web page."""

    status = 403
