"""The records of the control plane, as they are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lamina.deploy import Code
from lamina.functions._live import FunctionKey, LiveVersion

LATEST = "$LATEST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """All that a deployment fixes: what UpdateFunctionCode and UpdateFunctionConfiguration change.

    ``deployment`` names this very configuration of this very function; no two are the same, even with equal members.
    ``memory_size`` and ``ephemeral_storage`` are in MB, ``timeout`` in seconds, ``code_size`` in bytes. ``environment``
    is what ``Secrets`` made of the variables, and None when the function was never given any. A zip function has
    ``package``, its name in the store; an image function has ``image`` instead, its digest, and no runtime or handler.
    ``reference`` is (bucket, key, version) of a zip that is not kept. Members that are empty were never given.
    """

    deployment: str
    last_modified: str
    description: str
    runtime: str
    handler: str
    role: str
    memory_size: int
    timeout: int
    ephemeral_storage: int
    architecture: str
    environment: str | None
    log_group: str
    log_format: str = "Text"
    application_log_level: str | None = None
    system_log_level: str | None = None
    package: str
    code_sha256: str
    code_size: int
    kms_key: str = ""
    source_kms_key: str = ""
    reference: Sequence[str] | None = None
    signing_profile_version_arn: str = ""
    signing_job_arn: str = ""
    package_type: str = "Zip"
    image: str = ""
    image_uri: str = ""
    resolved_image_uri: str = ""
    image_config: Mapping[str, Any] | None = None
    snap_start: str = "None"

    @property
    def optimised(self) -> bool:
        """Whether its published versions are initialised before they are invoked (SnapStart)."""
        return self.snap_start == "PublishedVersions"

    @property
    def stored(self) -> str:
        """What has to be kept for it: a name in the store of packages, or the digest of an image."""
        return self.package or self.image

    def with_code(self, code: Code) -> Configuration:
        """The configuration with other code."""
        reference = code.reference
        return replace(
            self,
            package=code.package,
            code_sha256=code.code_sha256,
            code_size=code.code_size,
            source_kms_key=code.kms_key,
            reference=None if reference is None else (reference.bucket, reference.key, reference.version or ""),
            signing_profile_version_arn=code.signing_profile_version_arn,
            signing_job_arn=code.signing_job_arn,
            image=code.image,
            image_uri=code.image_uri,
            resolved_image_uri=code.resolved_image_uri,
            architecture=code.architecture,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A State or a LastUpdateStatus with its reason."""

    value: str
    reason: str | None = None
    code: str | None = None


ACTIVE = Status(value="Active")
CREATING = Status(value="Pending", reason="The function is being created.", code="Creating")
# What is Inactive may have become available again: only a start can tell.
INVOCABLE = frozenset({"Active", "Inactive"})
SUCCESSFUL = Status(value="Successful")
# AWS says "created" here too.
IN_PROGRESS = Status(value="InProgress", reason="The function is being created.", code="Creating")


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """$LATEST or a published version: what the API calls a FunctionConfiguration."""

    number: str
    state: Status
    update: Status | None
    revision_id: str
    configuration: Configuration


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function; ``shown`` and ``serving`` differ while an update is in progress.

    ``last_version`` is the highest number ever given to a version; numbers are never given twice.
    """

    function_id: int
    key: FunctionKey
    state: Status
    update: Status | None
    revision_id: str
    shown: Configuration
    serving: Configuration | None
    last_version: int
    reserved_concurrency: int | None

    @property
    def latest(self) -> Version:
        """$LATEST as it is shown."""
        return Version(
            number=LATEST,
            state=self.state,
            update=self.update,
            revision_id=self.revision_id,
            configuration=self.shown,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """A name for a version, or for two with a weight: the share of the additional one, in 0..1."""

    name: str
    version: str
    description: str
    additional: tuple[str, float] | None
    revision_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisionedConfig:
    """The provisioned concurrency that a version or an alias is to have."""

    qualifier: str
    requested: int
    last_modified: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What an account holds in a Region."""

    functions: int = 0
    code_size: int = 0
    reserved_concurrency: int = 0


def live(key: FunctionKey, number: str, configuration: Configuration) -> LiveVersion:
    """What execution needs to know of a configuration."""
    return LiveVersion(
        key=key,
        version=number,
        deployment=configuration.deployment,
        runtime=configuration.runtime,
        handler=configuration.handler,
        package=configuration.package,
        architecture=configuration.architecture,
        role=configuration.role,
        memory_size=configuration.memory_size,
        timeout=configuration.timeout,
        ephemeral_storage=configuration.ephemeral_storage,
        sealed=configuration.environment,
        log_group=configuration.log_group,
        log_format=configuration.log_format,
        log_level=configuration.application_log_level or "INFO",
        system_log_level=configuration.system_log_level or "INFO",
        source_kms_key=configuration.source_kms_key,
        reference=None if configuration.reference is None else _three(configuration.reference),
        package_type=configuration.package_type,
        image=configuration.image,
        image_source=configuration.resolved_image_uri,
        entry_point=_texts(configuration, "EntryPoint"),
        command=_texts(configuration, "Command"),
        working_directory=(configuration.image_config or {}).get("WorkingDirectory"),
        initialization="snap-start" if configuration.optimised and number != LATEST else "on-demand",
    )


def _three(reference: Sequence[str]) -> tuple[str, str, str]:
    bucket, key, version = reference
    return bucket, key, version


def _texts(configuration: Configuration, member: str) -> tuple[str, ...] | None:
    texts = (configuration.image_config or {}).get(member)
    return None if texts is None else tuple(texts)
