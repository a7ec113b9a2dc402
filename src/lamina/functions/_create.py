"""CreateFunction."""

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
from lamina.functions._messages import function_exists, violation
from lamina.functions._plane import Answer, Params, Plane, target_of
from lamina.functions._records import CREATING, Configuration, Function, Usage
from lamina.functions._rules import check_storage, publish
from lamina.functions._settle import unfinished
from lamina.functions._store import add_usage, find_function, insert_function, save_function, save_tags
from lamina.functions._tags import check_tags
from lamina.functions._views import configuration_answer
from lamina.state import Reader, Transaction

_KNOWN = CONFIGURATION | {"Architectures", "Code", "Publish", "Tags"}
_LONGEST_NAME = 64


async def create_function(plane: Plane, call: Call, params: Params) -> Answer:
    """CreateFunction: Pending at once, Active when the code may run (API notes, section 5)."""
    key = target_of(call, "CreateFunction", params).function
    _check_name(key.name, params["FunctionName"])
    return await plane.deployments.deploy(Creation(plane=plane, key=key, params=params))


def _check_name(name: str, given: str) -> None:
    if len(name) > _LONGEST_NAME:
        constraint = f"Member must have length less than or equal to {_LONGEST_NAME}"
        raise InvalidParameterValueException(violation(given, "functionName", constraint))


@dataclass(frozen=True, slots=True, kw_only=True)
class Creation:
    """A function that is about to exist; see ``lamina.deploy.Change``."""

    plane: Plane
    key: FunctionKey
    params: Mapping[str, Any]

    def check(self, reader: Reader) -> Source:
        """See ``Change.check``."""
        params = self.params
        refuse_unknown(params, _KNOWN)
        refuse_unknown(params["Code"], CODE)
        if not params.get("Runtime") or not params.get("Handler"):
            raise InvalidParameterValueException(
                "Runtime and Handler are mandatory parameters for functions created with deployment packages."
            )
        source = choose_source(params["Code"])
        check_runtime(params["Runtime"], allow_ended=self.plane.settings.deprecated_runtimes)
        check_architecture(params, self.plane.architecture)
        check_tags(params.get("Tags") or {})
        with_members(self._blank(), params)
        self._check_free(reader)
        return source

    def accept(self, transaction: Transaction, package: Package | None) -> Accepted:
        """See ``Change.accept``."""
        assert package is not None
        self._check_free(transaction)
        publishes = bool(self.params.get("Publish"))
        growth = package.code_size * (2 if publishes else 1)
        check_storage(transaction, self.key, growth, self.plane.settings.code_storage)
        function = self._function(transaction.change, package)
        insert_function(transaction, function)
        add_usage(transaction, self.key, Usage(functions=1, code_size=package.code_size))
        save_tags(transaction, function, self.params.get("Tags") or {})
        answer = configuration_answer(self.key, function.latest)
        if publishes:
            published, version = publish(transaction, function, function.shown, CREATING, None)
            save_function(transaction, published)
            answer["Version"] = version.number
        return Accepted(answer=answer, unfinished=unfinished(function))

    def _check_free(self, reader: Reader) -> None:
        if find_function(reader, self.key) is not None:
            raise function_exists(self.key.name)

    def _function(self, function_id: int, package: Package) -> Function:
        configuration = replace(
            with_members(self._blank(), self.params),
            package=package.digest,
            code_sha256=package.code_sha256,
            code_size=package.code_size,
        )
        return Function(
            function_id=function_id,
            key=self.key,
            state=CREATING,
            update=None,
            revision_id=new_revision_id(),
            shown=configuration,
            serving=None,
            last_version=0,
            reserved_concurrency=None,
        )

    def _blank(self) -> Configuration:
        """The defaults of the service (API notes, 3.2)."""
        return Configuration(
            deployment=new_deployment(),
            last_modified=now(),
            description="",
            runtime="",
            handler="",
            role="",
            memory_size=128,
            timeout=3,
            ephemeral_storage=512,
            architecture=self.plane.architecture,
            environment=None,
            log_group=f"/aws/lambda/{self.key.name}",
            package="",
            code_sha256="",
            code_size=0,
        )
