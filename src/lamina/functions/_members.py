"""Members of CreateFunction and UpdateFunctionConfiguration: what they may be, and the configuration they make."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import replace
from typing import Any

import orjson

from lamina.errors import InvalidParameterValueException
from lamina.functions._messages import not_yet
from lamina.functions._records import Configuration
from lamina.functions._snap_start import check_snap_start

_ENVIRONMENT_BYTES = 4096

# Lambda Developer Guide, "Defined runtime environment variables"; the last one belongs to Lamina's own bootstraps.
_RESERVED = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
        "LAMINA_GENERIC",
    }
)

# Runtimes that the service still knows and refuses.
_ENDED = frozenset(
    {
        "dotnetcore1.0",
        "dotnetcore2.0",
        "dotnetcore2.1",
        "dotnetcore3.1",
        "go1.x",
        "java8",
        "nodejs",
        "nodejs4.3",
        "nodejs4.3-edge",
        "nodejs6.10",
        "nodejs8.10",
        "nodejs10.x",
        "nodejs12.x",
        "nodejs14.x",
        "provided",
        "python2.7",
        "python3.6",
        "python3.7",
        "ruby2.5",
        "ruby2.7",
    }
)

# The value of a member that asks for nothing, beside the empty ones.
_DEFAULTS: Mapping[str, object] = {
    "TracingConfig": {"Mode": "PassThrough"},
}

CODE = frozenset(
    {"ImageUri", "S3Bucket", "S3Key", "S3ObjectStorageMode", "S3ObjectVersion", "SourceKMSKeyArn", "ZipFile"}
)

CONFIGURATION = frozenset(
    {
        "Description",
        "Environment",
        "EphemeralStorage",
        "FunctionName",
        "Handler",
        "ImageConfig",
        "KMSKeyArn",
        "LoggingConfig",
        "MemorySize",
        "Role",
        "Runtime",
        "SnapStart",
        "Timeout",
    }
)


def refuse_unknown(params: Mapping[str, Any], known: Set[str]) -> None:
    """Refuse every member that asks for something that this version would have to ignore."""
    for member, value in params.items():
        if member not in known and _asks(value) and value != _DEFAULTS.get(member):
            raise not_yet(member)


def _asks(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(_asks(item) for item in value.values())
    return bool(value)


def check_runtime(runtime: str, *, allow_ended: bool) -> None:
    """Refuse a runtime that has ended (API notes, 5.7), unless the operator of this server wants it."""
    if runtime in _ENDED and not allow_ended:
        raise InvalidParameterValueException(
            f"The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda functions. "
            "We recommend you use a supported runtime while creating or updating functions."
        )


def architecture_of(params: Mapping[str, Any], current: str) -> str:
    """The architecture that is asked for, or the current one (API notes, 6.19)."""
    architectures = params.get("Architectures")
    return str(architectures[0]) if architectures else current


def check_package_type(params: Mapping[str, Any], package_type: str) -> None:
    """Refuse what functions of this package type do not have (API notes, 5.1 and 5.10)."""
    if package_type == "Image":
        if params.get("Runtime") or params.get("Handler") or params.get("Layers"):
            raise InvalidParameterValueException(
                "Please don't provide Handler or Runtime or Layer when the intended function PackageType is Image."
            )
    elif params.get("ImageConfig"):
        raise InvalidParameterValueException(
            "Please don't provide ImageConfig when the intended function PackageType is Zip."
        )


def environment_of(params: Mapping[str, Any]) -> dict[str, str] | None:
    """The variables of a request that has an Environment, else None. Raises the recorded errors (17B)."""
    if params.get("Environment") is None:
        return None
    variables = params["Environment"].get("Variables") or {}
    reserved = [name for name in variables if name in _RESERVED]
    if reserved:
        raise _unable(
            "contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )
    measured = orjson.dumps(variables)
    if len(measured) > _ENVIRONMENT_BYTES:
        raise _unable(f"exceeded the 4KB limit. String measured: {measured.decode()}")
    if any("\0" in value for value in variables.values()):
        # No process can be given such a value.
        raise _unable("contains a NUL character.")
    return dict(variables)


def _unable(reason: str) -> InvalidParameterValueException:
    return InvalidParameterValueException(
        "Lambda was unable to configure your environment variables because the environment variables you have provided "
        + reason
    )


def with_logging(configuration: Configuration, params: Mapping[str, Any]) -> Configuration:
    """The configuration with the given members of LoggingConfig; JSON has levels, Text has none (section 18)."""
    logging = params.get("LoggingConfig") or {}
    log_format = logging.get("LogFormat") or configuration.log_format
    levels = _levels(configuration, logging, log_format)
    return replace(
        configuration,
        log_format=log_format,
        log_group=logging.get("LogGroup") or configuration.log_group,
        application_log_level=levels[0],
        system_log_level=levels[1],
    )


def _levels(configuration: Configuration, logging: Mapping[str, Any], log_format: str) -> tuple[str | None, str | None]:
    application = logging.get("ApplicationLogLevel")
    system = logging.get("SystemLogLevel")
    if log_format == "JSON":
        return (
            application or configuration.application_log_level or "INFO",
            system or configuration.system_log_level or "INFO",
        )
    if application or system:
        raise InvalidParameterValueException(
            'LogLevel is not supported when LogFormat is set to "Text". '
            'Remove LogLevel from your request or change the LogFormat to "JSON" and try again.'
        )
    return None, None


def with_members(configuration: Configuration, params: Mapping[str, Any], sealed: str | None) -> Configuration:
    """The configuration with all given members; those not given stay (API notes, 7.1).

    ``sealed`` are the new environment variables, None to leave them.
    """
    changed = replace(
        configuration,
        description=_given(params, "Description", configuration.description),
        runtime=_given(params, "Runtime", configuration.runtime),
        handler=_given(params, "Handler", configuration.handler),
        role=_given(params, "Role", configuration.role),
        memory_size=_given(params, "MemorySize", configuration.memory_size),
        timeout=_given(params, "Timeout", configuration.timeout),
        ephemeral_storage=_given(params.get("EphemeralStorage") or {}, "Size", configuration.ephemeral_storage),
        environment=configuration.environment if sealed is None else sealed,
        kms_key=_given(params, "KMSKeyArn", configuration.kms_key),
        image_config=_image_config(params, configuration.image_config),
        snap_start=_given(params.get("SnapStart") or {}, "ApplyOn", configuration.snap_start),
    )
    check_snap_start(changed)
    return with_logging(changed, params)


def _image_config(params: Mapping[str, Any], current: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """An ImageConfig replaces the one before as a whole, and an empty one removes it (API notes, 7.6)."""
    given = params.get("ImageConfig")
    if given is None:
        return current
    return {member: value for member, value in given.items() if value} or None


def _given(params: Mapping[str, Any], member: str, current: Any) -> Any:
    value = params.get(member)
    return current if value is None else value
