"""Every error of the service: one class a code, raised anywhere, turned into a response at one edge.

The HTTP status and the case of the message key (``message`` or ``Message``) are not here: ``lamina.http`` reads
them from the service model, and uses ``status`` below only for the codes that the model does not know.

    ServiceError
    ├── InvalidParameterValueException     ├── ResourceNotFoundException
    ├── ResourceConflictException          ├── PreconditionFailedException
    ├── TooManyRequestsException           ├── CodeStorageExceededException
    ├── InvalidRequestContentException     ├── PolicyLengthExceededException
    ├── ServiceException                   ├── KMSAccessDeniedException, KMSDisabledException,
    │                                      │   KMSInvalidStateException, KMSNotFoundException
    ├── KmsError: the codes of KMS itself
    ├── SnapStartException, SnapStartNotReadyException, SnapStartTimeoutException
    ├── ProvisionedConcurrencyConfigNotFoundException
    ├── InvalidCodeSignatureException      ├── CodeVerificationFailedException
    ├── CodeSigningConfigNotFoundException ├── InvalidZipFileException, ResourceNotReadyException
    └── Unmodelled
        ├── ValidationException            ├── AccessDeniedException
        ├── RequestEntityTooLargeException ├── UnknownOperationException
        ├── NotImplementedException        ├── MissingAuthenticationTokenException
        ├── UnrecognizedClientException    ├── InvalidSignatureException
        ├── IncompleteSignatureException   ├── SerializationException
        ├── InvalidParameterException      ├── ForbiddenException
        ├── ExpiredTokenException          └── ServiceUnavailableException
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


class InvalidCodeSignatureException(ServiceError):
    """The code signature failed the integrity check; that blocks the deployment whatever the policy is."""


class CodeVerificationFailedException(ServiceError):
    """The code signature failed the checks for expiry, mismatch or revocation, and the policy is Enforce."""


class CodeSigningConfigNotFoundException(ServiceError):
    """The specified code signing configuration does not exist."""

    status = 404


class BadRequestException(ServiceError):
    """Signer: the request for tags is malformed, or names a resource that cannot have any."""


class ConflictException(ServiceError):
    """Signer: the resource encountered a conflicting state."""

    status = 409


class ServiceLimitExceededException(ServiceError):
    """Signer: the client is making a request that exceeds service limits."""

    status = 402


class InvalidZipFileException(ServiceError):
    """Lambda could not unzip the deployment package."""

    status = 502


class ResourceNotReadyException(ServiceError):
    """What the function is made of cannot be had now, such as its image."""

    status = 502


class ProvisionedConcurrencyConfigNotFoundException(ServiceError):
    """The specified configuration does not exist."""

    status = 404


class SnapStartException(ServiceError):
    """The after-restore hook of a version has failed, or its environment has ended meanwhile."""

    def __init__(self) -> None:
        super().__init__(
            "The afterRestore() runtime hook encountered an error. "
            "For more information, check the Amazon CloudWatch logs."
        )


class SnapStartNotReadyException(ServiceError):
    """The version is being initialised."""

    status = 409

    def __init__(self) -> None:
        super().__init__(
            "Lambda is initializing your function. You can invoke the function when the function state becomes Active."
        )


class SnapStartTimeoutException(ServiceError):
    """The after-restore hooks have taken too long."""

    status = 408

    def __init__(self) -> None:
        super().__init__("Lambda couldn't restore the snapshot within the timeout limit.")


class ServiceException(ServiceError):
    """The service encountered an internal error. What it was stands in the server's log, never in the answer."""

    status = 500

    def __init__(self, message: str = "The service encountered an internal error.") -> None:
        super().__init__(message)


class KMSAccessDeniedException(ServiceError):
    """KMS has refused the use of the function's key."""

    status = 502


class KMSDisabledException(ServiceError):
    """The function's KMS key is disabled."""

    status = 502


class KMSInvalidStateException(ServiceError):
    """The function's KMS key, or a key that a request to KMS names, is in no state for what is asked of it."""


class KMSNotFoundException(ServiceError):
    """The function's KMS key does not exist."""

    status = 502


class KmsError(ServiceError):
    """An error of KMS itself, in its own words."""


class NotFoundException(KmsError):
    """The key or alias does not exist."""


class DisabledException(KmsError):
    """The key is disabled."""


class AlreadyExistsException(KmsError):
    """There is an alias of that name."""


class InvalidArnException(KmsError):
    """The ARN is not that of a key or alias."""


class InvalidAliasNameException(KmsError):
    """The name cannot be that of an alias."""


class NotAuthorizedException(KmsError):
    """The name belongs to AWS."""


class InvalidCiphertextException(KmsError):
    """The ciphertext is damaged, or its encryption context is another."""


class IncorrectKeyException(KmsError):
    """The ciphertext is not of the key that was named."""


class InvalidKeyUsageException(KmsError):
    """The key cannot be used for what is asked of it."""


class InvalidGrantTokenException(KmsError):
    """The grant token is not valid."""


class InvalidMarkerException(KmsError):
    """The marker is not one that this list has given."""


class MalformedPolicyDocumentException(KmsError):
    """The key policy is not a policy, or would lock everybody out."""


class TagException(KmsError):
    """A tag is not valid."""


class LimitExceededException(KmsError):
    """A quota of KMS was exceeded."""


class DryRunOperationException(KmsError):
    """The request would have succeeded, but it was a dry run."""


class UnsupportedOperationException(KmsError):
    """KMS, or this KMS, does not do that."""


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


class ExpiredTokenException(Unmodelled):
    """The security token included in the request is expired."""

    status = 403


class InvalidSignatureException(Unmodelled):
    """The signature does not match, or its time is out of range."""

    status = 403


class ServiceUnavailableException(Unmodelled):
    """What would answer the request cannot be reached now."""

    status = 503


class ForbiddenException(Unmodelled):
    """The request comes from where no request may come from, such as a web page."""

    status = 403


class VersionUnavailable(Exception):
    """No environment of a version can be started: its image, its key or its runtime cannot be had.

    This is no answer of the API but the cause of one. ``code`` is a StateReasonCode of the API and ``reason`` the text
    beside it; ``answer`` is the error that Invoke gives.
    """

    def __init__(self, code: str, reason: str, answer: ServiceError | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.answer = answer
