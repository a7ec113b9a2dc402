"""Records as answers: which member is present when (API notes, section 3). Absent members are not in the dict."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from lamina.functions._live import FunctionKey
from lamina.functions._records import Alias, Configuration, Status, Version


def configuration_answer(key: FunctionKey, version: Version, qualifier: str | None = None) -> dict[str, Any]:
    """A FunctionConfiguration. ``qualifier`` is what the FunctionArn ends with; None leaves it unqualified."""
    configuration = version.configuration
    answer = _members(key, version, qualifier)
    answer["RuntimeVersionConfig"] = {"RuntimeVersionArn": runtime_version_arn(key.region, configuration.runtime)}
    answer |= _status("State", version.state)
    if version.update is not None:
        answer |= _status("LastUpdateStatus", version.update)
    return answer


def listed_answer(key: FunctionKey, version: Version, qualifier: str | None = None) -> dict[str, Any]:
    """A FunctionConfiguration of a list: without states and without the version of the runtime."""
    return _members(key, version, qualifier)


def alias_answer(key: FunctionKey, alias: Alias) -> dict[str, Any]:
    """An AliasConfiguration; RoutingConfig only when there are weights."""
    answer: dict[str, Any] = {
        "AliasArn": f"{key.arn}:{alias.name}",
        "Name": alias.name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision_id,
    }
    if alias.additional is not None:
        version, weight = alias.additional
        answer["RoutingConfig"] = {"AdditionalVersionWeights": {version: weight}}
    return answer


def runtime_version_arn(region: str, runtime: str) -> str:
    """The ARN of a runtime's version: one for each runtime, as in RuntimeVersionConfig and the INIT_START line."""
    return f"arn:aws:lambda:{region}::runtime:{sha256(runtime.encode()).hexdigest()}"


def _members(key: FunctionKey, version: Version, qualifier: str | None) -> dict[str, Any]:
    configuration = version.configuration
    answer: dict[str, Any] = {
        "FunctionName": key.name,
        "FunctionArn": key.arn if qualifier is None else f"{key.arn}:{qualifier}",
        "Runtime": configuration.runtime,
        "Role": configuration.role,
        "Handler": configuration.handler,
        "CodeSize": configuration.code_size,
        "Description": configuration.description,
        "Timeout": configuration.timeout,
        "MemorySize": configuration.memory_size,
        "LastModified": configuration.last_modified,
        "CodeSha256": configuration.code_sha256,
        "Version": version.number,
        "TracingConfig": {"Mode": "PassThrough"},
        "RevisionId": version.revision_id,
        "PackageType": "Zip",
        "Architectures": [configuration.architecture],
        "EphemeralStorage": {"Size": configuration.ephemeral_storage},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": _logging(configuration),
    }
    if configuration.environment is not None:
        answer["Environment"] = {"Variables": dict(configuration.environment)}
    return answer


def _logging(configuration: Configuration) -> dict[str, str]:
    answer = {"LogFormat": configuration.log_format, "LogGroup": configuration.log_group}
    if configuration.application_log_level is not None:
        answer["ApplicationLogLevel"] = configuration.application_log_level
    if configuration.system_log_level is not None:
        answer["SystemLogLevel"] = configuration.system_log_level
    return answer


def _status(member: str, status: Status) -> dict[str, str]:
    answer = {member: status.value}
    if status.reason is not None:
        answer[f"{member}Reason"] = status.reason
    if status.code is not None:
        answer[f"{member}ReasonCode"] = status.code
    return answer
