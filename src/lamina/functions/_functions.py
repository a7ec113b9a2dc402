"""The control plane as the rest of Lamina sees it."""

from __future__ import annotations

import platform
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType

from lamina.deploy import Deployments, Rooms
from lamina.errors import VersionUnavailable
from lamina.functions._aliases import create_alias, get_alias, list_aliases, remove_alias, update_alias
from lamina.functions._availability import assume_available, note_availability
from lamina.functions._code_signing import (
    create_code_signing_config,
    delete_code_signing_config,
    delete_function_code_signing_config,
    get_code_signing_config,
    get_function_code_signing_config,
    list_code_signing_configs,
    list_functions_by_code_signing_config,
    list_tags,
    put_function_code_signing_config,
    tag_resource,
    untag_resource,
    update_code_signing_config,
)
from lamina.functions._concurrency import (
    delete_function_concurrency,
    get_account_settings,
    get_function_concurrency,
    put_function_concurrency,
)
from lamina.functions._create import create_function
from lamina.functions._delete import remove_function
from lamina.functions._history import kept_for_rollback
from lamina.functions._live import Call, Cutover, LiveVersion, Route, Secrets
from lamina.functions._names import parse_target
from lamina.functions._plane import Answer, Locate, Operations, Params, Plane
from lamina.functions._policies import add_permission, get_policy, remove_permission
from lamina.functions._provisioned import (
    delete_provisioned_concurrency_config,
    get_provisioned_concurrency_config,
    list_provisioned_concurrency_configs,
    put_provisioned_concurrency_config,
)
from lamina.functions._provisioning import Provisioning
from lamina.functions._reading import (
    get_function,
    get_function_configuration,
    list_functions,
)
from lamina.functions._rollback import list_deployments, rollback_function
from lamina.functions._routing import route_of
from lamina.functions._secrets import revealed
from lamina.functions._settle import FunctionLedger
from lamina.functions._snap_start import SnapStart
from lamina.functions._update import update_function_code, update_function_configuration
from lamina.functions._versions import list_versions_by_function, publish_version
from lamina.settings import Settings
from lamina.state import Reader, State

_OPERATIONS: Mapping[str, Callable[[Plane, Call, Params], Awaitable[Answer]]] = MappingProxyType(
    {
        "AddPermission": add_permission,
        "CreateAlias": create_alias,
        "CreateCodeSigningConfig": create_code_signing_config,
        "CreateFunction": create_function,
        "DeleteAlias": remove_alias,
        "DeleteCodeSigningConfig": delete_code_signing_config,
        "DeleteFunction": remove_function,
        "DeleteFunctionCodeSigningConfig": delete_function_code_signing_config,
        "DeleteFunctionConcurrency": delete_function_concurrency,
        "DeleteProvisionedConcurrencyConfig": delete_provisioned_concurrency_config,
        "GetAccountSettings": get_account_settings,
        "GetAlias": get_alias,
        "GetCodeSigningConfig": get_code_signing_config,
        "GetFunction": get_function,
        "GetFunctionCodeSigningConfig": get_function_code_signing_config,
        "GetFunctionConcurrency": get_function_concurrency,
        "GetFunctionConfiguration": get_function_configuration,
        "GetPolicy": get_policy,
        "GetProvisionedConcurrencyConfig": get_provisioned_concurrency_config,
        "ListAliases": list_aliases,
        "ListCodeSigningConfigs": list_code_signing_configs,
        "ListFunctions": list_functions,
        "ListFunctionsByCodeSigningConfig": list_functions_by_code_signing_config,
        "ListProvisionedConcurrencyConfigs": list_provisioned_concurrency_configs,
        "ListTags": list_tags,
        "ListVersionsByFunction": list_versions_by_function,
        "PublishVersion": publish_version,
        "PutFunctionCodeSigningConfig": put_function_code_signing_config,
        "PutFunctionConcurrency": put_function_concurrency,
        "PutProvisionedConcurrencyConfig": put_provisioned_concurrency_config,
        "RemovePermission": remove_permission,
        "TagResource": tag_resource,
        "UntagResource": untag_resource,
        "UpdateAlias": update_alias,
        "UpdateCodeSigningConfig": update_code_signing_config,
        "UpdateFunctionCode": update_function_code,
        "UpdateFunctionConfiguration": update_function_configuration,
    }
)

_EXTENSIONS: Mapping[str, Callable[[Plane, Call, Params], Awaitable[Answer]]] = MappingProxyType(
    {"ListDeployments": list_deployments, "RollbackFunction": rollback_function}
)


class Functions:
    """Functions, versions, aliases, policies, tags and concurrency.

    ``rooms`` are what the pipeline of deployments asks; ``locate`` gives the presigned URL of a package, from (call,
    function, version, name in the store). ``architecture`` is the machine's own by default. Call
    ``recover()`` before the first request, and ``deployments.close()`` after the last.
    """

    def __init__(
        self,
        *,
        state: State,
        rooms: Rooms,
        cutover: Cutover,
        settings: Settings,
        secrets: Secrets,
        locate: Locate,
        architecture: str | None = None,
    ) -> None:
        self._state = state
        self.deployments = Deployments(
            state=state,
            rooms=rooms,
            cutover=cutover,
            ledger=FunctionLedger(),
            update_window=settings.update_window / 1000,
            settled=lambda key: self._snap_start.look(key),
        )
        self._snap_start = SnapStart(state, cutover, self.deployments.spawn)
        self._provisioning = Provisioning(state, cutover, self.deployments.spawn)
        self._plane = Plane(
            state=state,
            deployments=self.deployments,
            settings=settings,
            secrets=secrets,
            locate=locate,
            architecture=architecture or machine_architecture(),
            snap_start=self._snap_start,
            provisioning=self._provisioning,
        )

    def operations(self) -> Operations:
        """The handlers by the names of the operations.

        A handler is given the call and the members of the request, parsed and checked against the service model, by
        botocore's names; it answers with the members that are present, or raises ServiceErrors.
        """
        return {name: partial(self._run, operation) for name, operation in _OPERATIONS.items()}

    def extensions(self) -> Operations:
        """What Lamina can do and the API of AWS has no operation for: handlers like those of ``operations``."""
        return {name: partial(self._run, operation) for name, operation in _EXTENSIONS.items()}

    async def route(self, account_id: str, region: str, function_name: str, qualifier: str | None) -> Route:
        """Where invocations of a name or ARN and a qualifier go. Raises the recorded errors of Invoke."""
        target = parse_target(account_id, region, "Invoke", function_name, qualifier)
        return await self._state.read(lambda reader: route_of(reader, target))

    async def recover(self) -> None:
        """Finish what the last end of the server has left; before the first request."""
        await self._state.write(assume_available)
        await self.deployments.recover()
        await self._snap_start.recover()
        await self._provisioning.recover()

    async def note_availability(self, live: LiveVersion, reason: VersionUnavailable | None) -> None:
        """Show that a version cannot be started, and why, or with None that it can again."""
        await self._state.write(lambda transaction: note_availability(transaction, live, reason))

    async def in_use(self) -> set[str]:
        """The names of all packages and the digests of all images that a function, a version or a rollback needs.

        The history keeps what it can within its size; the newest come first.
        """
        settings = self._plane.settings

        def work(reader: Reader) -> set[str]:
            needed = {row["package"] for row in reader.all("packages_in_use")}
            return needed | kept_for_rollback(reader, needed, settings.history_bytes)

        return await self._state.read(work)

    async def _run(
        self, operation: Callable[[Plane, Call, Params], Awaitable[Answer]], call: Call, params: Params
    ) -> Answer:
        return await revealed(self._plane.secrets, await operation(self._plane, call, params))


def machine_architecture() -> str:
    """The architecture of this machine in the words of the API."""
    machine = platform.machine()
    return {"amd64": "x86_64", "aarch64": "arm64"}.get(machine.lower(), machine)
