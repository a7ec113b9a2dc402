"""UpdateFunctionCode and UpdateFunctionConfiguration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lamina.deploy import Accepted, Package, Source, choose_source
from lamina.errors import InvalidParameterValueException
from lamina.functions._identity import new_deployment, new_revision_id, now
from lamina.functions._live import Call, FunctionKey
from lamina.functions._members import (
    CODE,
    CONFIGURATION,
    check_architecture,
    check_runtime,
    refuse_unknown,
    with_members,
)
from lamina.functions._plane import Answer, Params, Plane, target_of
from lamina.functions._records import CREATING, IN_PROGRESS, Configuration, Function, Usage
from lamina.functions._rules import check_revision, check_settled, check_storage, publish
from lamina.functions._settle import unfinished
from lamina.functions._store import add_usage, need_function, save_function
from lamina.functions._views import configuration_answer
from lamina.state import Reader, Transaction

_CODE = CODE | {"Architectures", "DryRun", "FunctionName", "Publish", "RevisionId"}
_CONFIGURATION = CONFIGURATION | {"RevisionId"}


async def update_function_code(plane: Plane, call: Call, params: Params) -> Answer:
    """UpdateFunctionCode: new code for $LATEST, as one transaction (API notes, section 6)."""
    key = target_of(call, "UpdateFunctionCode", params).function
    update = CodeUpdate(plane=plane, key=key, params=params)
    if params.get("DryRun"):
        return await plane.deployments.rehearse(update)
    return await plane.deployments.deploy(update)


async def update_function_configuration(plane: Plane, call: Call, params: Params) -> Answer:
    """UpdateFunctionConfiguration: new settings for $LATEST (API notes, section 7)."""
    key = target_of(call, "UpdateFunctionConfiguration", params).function
    return await plane.deployments.deploy(ConfigurationUpdate(plane=plane, key=key, params=params))


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeUpdate:
    """New code for a function; see ``lamina.deploy.Change``."""

    plane: Plane
    key: FunctionKey
    params: Mapping[str, Any]

    def check(self, reader: Reader) -> Source:
        """See ``Change.check``."""
        function = need_function(reader, self.key)
        source = self._source()
        self._check_current(function)
        return source

    def rehearse(self, reader: Reader, package: Package) -> Answer:
        """See ``Rehearsal.rehearse``: the hash and size of the given code beside what is (API notes, 6.21)."""
        function = self._checked(reader, package)
        answer = configuration_answer(self.key, function.latest)
        return answer | {"CodeSha256": package.code_sha256, "CodeSize": package.code_size}

    def accept(self, transaction: Transaction, package: Package | None) -> Accepted:
        """See ``Change.accept``."""
        assert package is not None
        function = self._checked(transaction, package)
        updated = begin_update(function, self._configuration(function.shown, package))
        growth = package.code_size - function.shown.code_size
        add_usage(transaction, self.key, Usage(code_size=growth))
        if not self.params.get("Publish"):
            save_function(transaction, updated)
            return Accepted(answer=configuration_answer(self.key, updated.latest), unfinished=unfinished(updated))
        updated, version = publish(transaction, updated, updated.shown, CREATING, None)
        save_function(transaction, updated)
        answer = configuration_answer(self.key, version, version.number)
        return Accepted(answer=answer, unfinished=unfinished(updated))

    def _source(self) -> Source:
        if self.params.get("ImageUri"):
            raise InvalidParameterValueException(
                "Please don't provide ImageUri when updating a function with packageType Zip."
            )
        refuse_unknown(self.params, _CODE)
        source = choose_source(self.params)
        check_architecture(self.params, self.plane.architecture)
        return source

    def _check_current(self, function: Function) -> None:
        check_revision(self.params.get("RevisionId"), function.revision_id)
        check_settled(function)

    def _checked(self, reader: Reader, package: Package) -> Function:
        function = need_function(reader, self.key)
        self._check_current(function)
        growth = package.code_size - function.shown.code_size
        if self.params.get("Publish"):
            growth += package.code_size
        check_storage(reader, self.key, growth, self.plane.settings.code_storage)
        return function

    def _configuration(self, shown: Configuration, package: Package) -> Configuration:
        return replace(
            shown,
            package=package.digest,
            code_sha256=package.code_sha256,
            code_size=package.code_size,
            architecture=check_architecture(self.params, self.plane.architecture) or shown.architecture,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationUpdate:
    """New settings for a function; see ``lamina.deploy.Change``."""

    plane: Plane
    key: FunctionKey
    params: Mapping[str, Any]

    def check(self, reader: Reader) -> None:
        """See ``Change.check``."""
        self._checked(reader)

    def accept(self, transaction: Transaction, package: Package | None) -> Accepted:  # noqa: ARG002  # the code stays
        """See ``Change.accept``."""
        function = self._checked(transaction)
        updated = begin_update(function, with_members(function.shown, self.params))
        save_function(transaction, updated)
        return Accepted(answer=configuration_answer(self.key, updated.latest), unfinished=unfinished(updated))

    def _checked(self, reader: Reader) -> Function:
        function = need_function(reader, self.key)
        refuse_unknown(self.params, _CONFIGURATION)
        if self.params.get("Runtime"):
            check_runtime(self.params["Runtime"], allow_ended=self.plane.settings.deprecated_runtimes)
        with_members(function.shown, self.params)
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
