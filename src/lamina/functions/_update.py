"""UpdateFunctionCode and UpdateFunctionConfiguration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lamina.deploy import Accepted, Code, Order, Source, choose_source
from lamina.functions._code_signing import check_same_trust, trust_of
from lamina.functions._history import begin_deployment, forget_deployments
from lamina.functions._identity import new_deployment, new_revision_id, now
from lamina.functions._live import Call, FunctionKey
from lamina.functions._members import (
    CODE,
    CONFIGURATION,
    architecture_of,
    check_package_type,
    check_runtime,
    environment_of,
    refuse_unknown,
    with_members,
)
from lamina.functions._messages import update_in_progress
from lamina.functions._plane import Answer, Params, Plane, target_of
from lamina.functions._records import CREATING, IN_PROGRESS, Configuration, Function, Usage
from lamina.functions._rules import check_publish_to, check_revision, check_settled, check_storage, publish
from lamina.functions._secrets import sealed_again
from lamina.functions._settle import unfinished
from lamina.functions._store import add_usage, need_function, save_function
from lamina.functions._views import configuration_answer
from lamina.state import Reader, Transaction

_CODE = CODE | {"Architectures", "DryRun", "FunctionName", "Publish", "PublishTo", "RevisionId"}
_CONFIGURATION = CONFIGURATION | {"RevisionId"}


async def update_function_code(plane: Plane, call: Call, params: Params) -> Answer:
    """UpdateFunctionCode: new code for $LATEST, as one transaction (API notes, section 6)."""
    key = target_of(call, "UpdateFunctionCode", params).function
    update = CodeUpdate(plane=plane, key=key, params=params, caller=call.access_key_id)
    if params.get("DryRun"):
        return await plane.deployments.rehearse(update)
    return await plane.deployments.deploy(update)


async def update_function_configuration(plane: Plane, call: Call, params: Params) -> Answer:
    """UpdateFunctionConfiguration: new settings for $LATEST (API notes, section 7)."""
    key = target_of(call, "UpdateFunctionConfiguration", params).function
    before, sealed = await _sealed(plane, key, params)
    return await plane.deployments.deploy(
        ConfigurationUpdate(plane=plane, key=key, params=params, before=before, sealed=sealed)
    )


async def _sealed(plane: Plane, key: FunctionKey, params: Params) -> tuple[str | None, str | None]:
    """The environment that was sealed anew because only its key changes, and the sealed one of this update."""
    variables = environment_of(params)
    kms_key = params.get("KMSKeyArn")
    if variables is None and kms_key is None:
        return None, None
    function = await plane.state.read(lambda reader: need_function(reader, key))
    wanted = function.shown.kms_key if kms_key is None else kms_key
    role = params.get("Role") or function.shown.role
    if variables is not None:
        return None, await plane.secrets.seal(key, variables, wanted, role)
    if wanted == function.shown.kms_key:
        return None, None
    before = function.shown.environment
    return before, await sealed_again(plane.secrets, key, before, wanted, role)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeUpdate:
    """New code for a function; see ``lamina.deploy.Change``.

    ``source`` is where the code comes from when the request does not say, as in a rollback.
    """

    plane: Plane
    key: FunctionKey
    params: Mapping[str, Any]
    caller: str
    source: Source | None = None
    operation: str = "UpdateFunctionCode"

    def check(self, reader: Reader) -> Order:
        """See ``Change.check``."""
        function = need_function(reader, self.key)
        refuse_unknown(self.params, _CODE)
        check_publish_to(self.params)
        source = self.source or choose_source(self.params, function.shown.package_type)
        self._check_current(function)
        return Order(
            key=self.key,
            source=source,
            architecture=architecture_of(self.params, function.shown.architecture),
            trust=trust_of(reader, function),
            kms_key=self.params.get("SourceKMSKeyArn") or "",
            role=function.shown.role,
        )

    def rehearse(self, reader: Reader, code: Code) -> Answer:
        """See ``Rehearsal.rehearse``: the hash and size of the given code beside what is (API notes, 6.21)."""
        function = self._checked(reader, code)
        answer = configuration_answer(self.key, function.latest)
        return answer | {"CodeSha256": code.code_sha256, "CodeSize": code.code_size}

    def accept(self, transaction: Transaction, code: Code | None) -> Accepted:
        """See ``Change.accept``."""
        assert code is not None
        function = self._checked(transaction, code)
        before = function.shown
        updated = begin_update(function, before.with_code(code))
        add_usage(transaction, self.key, Usage(code_size=code.code_size - before.code_size))
        self._remember(transaction, updated, code, before.code_sha256)
        if not self.params.get("Publish"):
            save_function(transaction, updated)
            return Accepted(answer=configuration_answer(self.key, updated.latest), unfinished=unfinished(updated))
        updated, version = publish(transaction, updated, updated.shown, CREATING, None)
        save_function(transaction, updated)
        answer = configuration_answer(self.key, version, version.number)
        return Accepted(answer=answer, unfinished=unfinished(updated))

    def _remember(self, transaction: Transaction, function: Function, code: Code, before: str) -> None:
        begin_deployment(transaction, function, self.operation, self.caller, code, before)
        forget_deployments(transaction, function, self.plane.settings.history)

    def _check_current(self, function: Function) -> None:
        check_revision(self.params.get("RevisionId"), function.revision_id)
        check_settled(function)

    def _checked(self, reader: Reader, code: Code) -> Function:
        function = need_function(reader, self.key)
        self._check_current(function)
        if architecture_of(self.params, function.shown.architecture) != code.architecture:
            raise update_in_progress(self.key)
        if function.shown.package_type == "Zip":
            check_same_trust(code.trust, trust_of(reader, function))
        growth = code.code_size - function.shown.code_size
        if self.params.get("Publish"):
            growth += code.code_size
        check_storage(reader, self.key, growth, self.plane.settings.code_storage)
        return function


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationUpdate:
    """New settings for a function; see ``lamina.deploy.Change``.

    ``sealed`` are its new environment variables; where they are the old ones under another key, ``before`` is what they
    were.
    """

    plane: Plane
    key: FunctionKey
    params: Mapping[str, Any]
    before: str | None
    sealed: str | None

    def check(self, reader: Reader) -> None:
        """See ``Change.check``."""
        self._checked(reader)

    def accept(self, transaction: Transaction, code: Code | None) -> Accepted:  # noqa: ARG002  # the code stays
        """See ``Change.accept``."""
        function = self._checked(transaction)
        if self.before is not None and function.shown.environment != self.before:
            raise update_in_progress(self.key)
        updated = begin_update(function, with_members(function.shown, self.params, self.sealed))
        save_function(transaction, updated)
        return Accepted(answer=configuration_answer(self.key, updated.latest), unfinished=unfinished(updated))

    def _checked(self, reader: Reader) -> Function:
        function = need_function(reader, self.key)
        refuse_unknown(self.params, _CONFIGURATION)
        check_package_type(self.params, function.shown.package_type)
        if self.params.get("Runtime"):
            check_runtime(self.params["Runtime"], allow_ended=self.plane.settings.deprecated_runtimes)
        with_members(function.shown, self.params, self.sealed)
        check_revision(self.params.get("RevisionId"), function.revision_id)
        check_settled(function)
        return function


def begin_update(function: Function, configuration: Configuration) -> Function:
    """The function as it is shown from the acceptance on, with a configuration of its own name and time."""
    return replace(
        function,
        shown=replace(configuration, deployment=new_deployment(), last_modified=now()),
        update=IN_PROGRESS,
        revision_id=new_revision_id(),
    )
