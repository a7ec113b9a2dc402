"""The control plane as the rest of Lamina sees it."""

from __future__ import annotations

import platform
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType

from lamina.deploy import Deployments, Packages
from lamina.functions._aliases import create_alias, get_alias, list_aliases, remove_alias, update_alias
from lamina.functions._concurrency import (
    delete_function_concurrency,
    get_account_settings,
    get_function_concurrency,
    put_function_concurrency,
)
from lamina.functions._create import create_function
from lamina.functions._delete import remove_function
from lamina.functions._live import Call, Cutover, Route
from lamina.functions._names import parse_target
from lamina.functions._plane import Answer, Locate, Operations, Params, Plane
from lamina.functions._policies import add_permission, get_policy, remove_permission
from lamina.functions._reading import (
    get_function,
    get_function_code_signing_config,
    get_function_configuration,
    list_functions,
)
from lamina.functions._routing import route_of
from lamina.functions._settle import FunctionLedger
from lamina.functions._tags import list_tags, tag_resource, untag_resource
from lamina.functions._update import update_function_code, update_function_configuration
from lamina.functions._versions import list_versions_by_function, publish_version
from lamina.settings import Settings
from lamina.state import State

_OPERATIONS: Mapping[str, Callable[[Plane, Call, Params], Awaitable[Answer]]] = MappingProxyType(
    {
        "AddPermission": add_permission,
        "CreateAlias": create_alias,
        "CreateFunction": create_function,
        "DeleteAlias": remove_alias,
        "DeleteFunction": remove_function,
        "DeleteFunctionConcurrency": delete_function_concurrency,
        "GetAccountSettings": get_account_settings,
        "GetAlias": get_alias,
        "GetFunction": get_function,
        "GetFunctionCodeSigningConfig": get_function_code_signing_config,
        "GetFunctionConcurrency": get_function_concurrency,
        "GetFunctionConfiguration": get_function_configuration,
        "GetPolicy": get_policy,
        "ListAliases": list_aliases,
        "ListFunctions": list_functions,
        "ListTags": list_tags,
        "ListVersionsByFunction": list_versions_by_function,
        "PublishVersion": publish_version,
        "PutFunctionConcurrency": put_function_concurrency,
        "RemovePermission": remove_permission,
        "TagResource": tag_resource,
        "UntagResource": untag_resource,
        "UpdateAlias": update_alias,
        "UpdateFunctionCode": update_function_code,
        "UpdateFunctionConfiguration": update_function_configuration,
    }
)


class Functions:
    """Functions, versions, aliases, policies, tags and concurrency.

    ``find_runtime`` gives the reason why a runtime cannot run on this machine, or None when it can; ``locate`` the
    presigned URL of a version's package, from (call, function, version, digest). ``architecture`` is the machine's own
    by default. Call ``deployments.recover()`` before the first request, and ``deployments.idle()`` after the last.
    """

    def __init__(
        self,
        *,
        state: State,
        packages: Packages,
        cutover: Cutover,
        settings: Settings,
        find_runtime: Callable[[str], str | None],
        locate: Locate,
        architecture: str | None = None,
    ) -> None:
        self._state = state
        self.deployments = Deployments(
            state=state,
            packages=packages,
            cutover=cutover,
            ledger=FunctionLedger(),
            find_runtime=find_runtime,
            update_window=settings.update_window / 1000,
        )
        self._plane = Plane(
            state=state,
            deployments=self.deployments,
            settings=settings,
            locate=locate,
            architecture=architecture or machine_architecture(),
        )

    def operations(self) -> Operations:
        """The handlers by the names of the operations.

        A handler is given the call and the members of the request, parsed and checked against the service model, by
        botocore's names; it answers with the members that are present, or raises ServiceErrors.
        """
        return {name: partial(operation, self._plane) for name, operation in _OPERATIONS.items()}

    async def route(self, account_id: str, region: str, function_name: str, qualifier: str | None) -> Route:
        """Where invocations of a name or ARN and a qualifier go. Raises the recorded errors of Invoke."""
        target = parse_target(account_id, region, "Invoke", function_name, qualifier)
        return await self._state.read(lambda reader: route_of(reader, target))

    async def packages_in_use(self) -> set[str]:
        """The digests of all packages that a function or a version refers to."""
        rows = await self._state.read(lambda reader: reader.all("packages_in_use"))
        return {row["package"] for row in rows}


def machine_architecture() -> str:
    """The architecture of this machine in the words of the API."""
    machine = platform.machine()
    return {"amd64": "x86_64", "aarch64": "arm64"}.get(machine.lower(), machine)
