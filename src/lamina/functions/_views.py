"""Records as answers: which member is present when (API notes, section 3). Absent members are not in the dict."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from lamina.functions._live import FunctionKey
from lamina.functions._records import INVOCABLE, LATEST, Alias, Configuration, Status, Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """Environment variables in an answer that nobody has opened yet; ``revealed`` does."""

    key: FunctionKey
    text: str


def configuration_answer(key: FunctionKey, version: Version, qualifier: str | None = None) -> dict[str, Any]:
    """A FunctionConfiguration. ``qualifier`` is what the FunctionArn ends with; None leaves it unqualified."""
    configuration = version.configuration
    answer = _members(key, version, qualifier)
    if configuration.runtime:
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
        "Role": configuration.role,
        "CodeSize": configuration.code_size,
        "Description": configuration.description,
        "Timeout": configuration.timeout,
        "MemorySize": configuration.memory_size,
        "LastModified": configuration.last_modified,
        "CodeSha256": configuration.code_sha256,
        "Version": version.number,
        "TracingConfig": {"Mode": "PassThrough"},
        "RevisionId": version.revision_id,
        "PackageType": configuration.package_type,
        "Architectures": [configuration.architecture],
        "EphemeralStorage": {"Size": configuration.ephemeral_storage},
        "SnapStart": {"ApplyOn": configuration.snap_start, "OptimizationStatus": _optimization(version)},
        "LoggingConfig": _logging(configuration),
    }
    if configuration.environment is not None:
        answer["Environment"] = Sealed(key=key, text=configuration.environment)
    if configuration.image_config:
        answer["ImageConfigResponse"] = {"ImageConfig": dict(configuration.image_config)}
    return answer | {member: value for member, value in _optional(configuration).items() if value}


def _optimization(version: Version) -> str:
    """On for a version that is initialised; $LATEST never is (API notes, 19.1)."""
    ready = version.number != LATEST and version.state.value in INVOCABLE
    return "On" if ready and version.configuration.optimised else "Off"


def _optional(configuration: Configuration) -> dict[str, str]:
    """Members that are there only when they have a value (API notes, 3.3)."""
    return {
        "Runtime": configuration.runtime,
        "Handler": configuration.handler,
        "KMSKeyArn": configuration.kms_key,
        "SigningProfileVersionArn": configuration.signing_profile_version_arn,
        "SigningJobArn": configuration.signing_job_arn,
    }


def code_answer(configuration: Configuration, location: str) -> dict[str, Any]:
    """A FunctionCodeLocation; ``location`` is a URL to the zip (API notes, 10.2)."""
    if configuration.package_type == "Image":
        return {
            "RepositoryType": "ECR",
            "ImageUri": configuration.image_uri,
            "ResolvedImageUri": configuration.resolved_image_uri,
        }
    answer: dict[str, Any] = {"RepositoryType": "S3"}
    if configuration.reference is None:
        answer["Location"] = location
    else:
        bucket, key, version = configuration.reference
        answer["ResolvedS3Object"] = {"S3Bucket": bucket, "S3Key": key, "S3ObjectVersion": version}
    if configuration.source_kms_key:
        answer["SourceKMSKeyArn"] = configuration.source_kms_key
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
