"""What is live: the part of a function that execution needs, and how the control plane changes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

Initialization = Literal["on-demand", "provisioned-concurrency", "snap-start"]
"""How an environment comes to be: the values of AWS_LAMBDA_INITIALIZATION_TYPE."""


class FunctionKey(NamedTuple):
    """One function of one account in one Region."""

    account_id: str
    region: str
    name: str

    @property
    def arn(self) -> str:
        """The unqualified ARN."""
        return f"arn:aws:lambda:{self.region}:{self.account_id}:function:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Who calls, and from where: the facts of one authenticated request.

    ``role`` is the ARN of the role whose temporary keys the caller has and ``session`` the name of the session; both
    are empty for the account itself.
    """

    account_id: str
    region: str
    request_id: str
    access_key_id: str
    base_url: str
    role: str = ""
    session: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveVersion:
    """All that an execution environment is made of. Immutable; a change of any member has another ``deployment``.

    ``deployment`` is unique over all functions and time. ``package`` is the hex SHA-256 of the zip. ``memory_size``
    and ``ephemeral_storage`` are in MB, ``timeout`` in seconds, as in the API. ``log_level`` is the
    ApplicationLogLevel; both levels matter with the log format JSON only.

    ``variables`` are what a start of an environment opens ``sealed`` for; until then they are empty.
    ``source_kms_key`` is the key that the package is encrypted under, ``reference`` where a zip that is not kept can be
    read again: (bucket, key, version).

    An image function has ``package_type`` Image, no runtime, handler and package, but ``image`` (its digest,
    ``sha256:…``) and ``image_source`` (the resolved URI that it can be fetched from again). ``entry_point``,
    ``command`` and ``working_directory`` are its ImageConfig; None leaves the image's own.

    ``initialization`` is ``snap-start`` for a published version with SnapStart.
    """

    key: FunctionKey
    version: str
    deployment: str
    runtime: str
    handler: str
    package: str
    architecture: str
    role: str
    memory_size: int
    timeout: int
    ephemeral_storage: int
    log_group: str
    variables: Mapping[str, str] = field(default_factory=dict)
    log_format: str = "Text"
    log_level: str = "INFO"
    system_log_level: str = "INFO"
    sealed: str | None = None
    source_kms_key: str = ""
    reference: tuple[str, str, str] | None = None
    package_type: str = "Zip"
    image: str = ""
    image_source: str = ""
    entry_point: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    working_directory: str | None = None
    initialization: Initialization = "on-demand"


class Allocation(NamedTuple):
    """How many provisioned environments a version is to have."""

    live: LiveVersion
    environments: int


class Provision(NamedTuple):
    """How many provisioned environments a version has, and why there are not more: a StatusReason, or None."""

    ready: int = 0
    failure: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where invocations of one name and qualifier go.

    ``targets`` are (cumulative weight in 0..1, version) pairs, ascending, the last weight 1.0. ``invoked_arn`` is
    what the function's context shows: the ARN as invoked. ``reserved_concurrency`` is None when none is set;
    ``reserved_in_account`` is what all functions of the account and Region have reserved together, and what functions
    without a reservation have provisioned.
    """

    key: FunctionKey
    invoked_arn: str
    targets: tuple[tuple[float, LiveVersion], ...]
    reserved_concurrency: int | None
    reserved_in_account: int = 0


class Secrets(Protocol):
    """How environment variables lie at rest: encrypted, under a KMS key or under the one of the data folder."""

    async def seal(self, key: FunctionKey, variables: Mapping[str, str], kms_key: str, role: str = "") -> str:
        """The variables of a function as they are stored. ``kms_key`` is an ARN, or empty for the data folder's key.

        ``role`` is who must be allowed to use the key: the function's, or nobody for the account itself.
        Raises ServiceErrors when the key cannot be used.
        """

    async def unseal(self, key: FunctionKey, sealed: str, role: str = "") -> dict[str, str]:
        """The variables again. Raises KMSDisabledException and its like when the key cannot be used any more."""


class Cutover(Protocol):
    """What the control plane asks of execution when it changes what is live."""

    async def prepare(self, new: LiveVersion, old: LiveVersion | None) -> None:
        """Do once what every start of ``new`` needs: fetch its image, open its keys, byte-compile it.

        It changes nothing that serves. Raises VersionUnavailable when no environment of ``new`` can be started.
        """

    async def warm(self, new: LiveVersion, old: LiveVersion) -> None:
        """Start as many environments for ``new`` as ``old`` has, before the swap.

        A function that fails to initialise raises nothing: its failure is in its log and the pool stays cold.
        """

    async def snapshot(self, live: LiveVersion) -> None:
        """Initialise a SnapStart version and keep it frozen.

        Raises VersionUnavailable with the reason why it cannot be initialised.
        """

    def restock(self, live: LiveVersion) -> None:
        """Initialise a SnapStart version again, in the background, after a start of the server."""

    def provision(self, key: FunctionKey, allocations: Sequence[Allocation]) -> None:
        """Give the function exactly these provisioned environments; they start and end in the background."""

    async def provisioned(self, key: FunctionKey) -> None:
        """Wait until each provisioned environment of the function is ready or has failed."""

    def provision_of(self, deployment: str) -> Provision:
        """What a version has of its provisioned environments now."""

    def switch(
        self, key: FunctionKey, retire: Set[str] = frozenset(), *, whole_account: bool = False
    ) -> AbstractAsyncContextManager[None]:
        """Hold new invocations of the function while the block commits, then route them anew.

        Every commit that changes where an invocation goes stands in this block: so whoever has seen the commit
        invokes the new version. The environments of the deployments in ``retire`` end when they are idle, unless
        the block raised. ``whole_account`` routes all functions of the account and Region anew, for a commit that
        changes what all of them share.
        """
