"""CreateFunction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lamina.deploy import Accepted, Code, Order, choose_source
from lamina.errors import InvalidParameterValueException
from lamina.functions._code_signing import attach, check_same_trust, trust_of_config
from lamina.functions._history import begin_deployment
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
from lamina.functions._messages import function_exists, violation
from lamina.functions._plane import Answer, Params, Plane, target_of
from lamina.functions._records import CREATING, Configuration, Function, Usage
from lamina.functions._rules import check_publish_to, check_storage, publish
from lamina.functions._settle import unfinished
from lamina.functions._store import add_usage, find_function, insert_function, save_function, save_tags
from lamina.functions._tags import check_tags
from lamina.functions._views import configuration_answer
from lamina.signing import Trust
from lamina.state import Reader, Transaction

_KNOWN = CONFIGURATION | {
    "Architectures",
    "Code",
    "CodeSigningConfigArn",
    "PackageType",
    "Publish",
    "PublishTo",
    "Tags",
}
_LONGEST_NAME = 64


async def create_function(plane: Plane, call: Call, params: Params) -> Answer:
    """CreateFunction: Pending at once, Active when the code may run (API notes, section 5)."""
    key = target_of(call, "CreateFunction", params).function
    _check_name(key.name, params["FunctionName"])
    variables = environment_of(params)
    kms_key, role = params.get("KMSKeyArn") or "", params["Role"]
    sealed = None if variables is None else await plane.secrets.seal(key, variables, kms_key, role)
    creation = Creation(plane=plane, key=key, params=params, sealed=sealed, caller=call.access_key_id)
    return await plane.deployments.deploy(creation)


def _check_name(name: str, given: str) -> None:
    if len(name) > _LONGEST_NAME:
        constraint = f"Member must have length less than or equal to {_LONGEST_NAME}"
        raise InvalidParameterValueException(violation(given, "functionName", constraint))


@dataclass(frozen=True, slots=True, kw_only=True)
class Creation:
    """A function that is about to exist; see ``lamina.deploy.Change``. ``sealed`` are its environment variables."""

    plane: Plane
    key: FunctionKey
    params: Mapping[str, Any]
    sealed: str | None
    caller: str

    def check(self, reader: Reader) -> Order:
        """See ``Change.check``."""
        params = self.params
        self._check_package_type()
        refuse_unknown(params, _KNOWN)
        refuse_unknown(params["Code"], CODE)
        check_publish_to(params)
        source = choose_source(params["Code"], self._package_type, creating=True)
        check_tags(params.get("Tags") or {})
        with_members(self._blank(), params, self.sealed)
        self._check_free(reader)
        return Order(
            key=self.key,
            source=source,
            architecture=architecture_of(params, self.plane.architecture),
            trust=self._trust(reader),
            kms_key=params["Code"].get("SourceKMSKeyArn") or "",
            role=params["Role"],
        )

    def accept(self, transaction: Transaction, code: Code | None) -> Accepted:
        """See ``Change.accept``."""
        assert code is not None
        self._check_free(transaction)
        publishes = bool(self.params.get("Publish"))
        growth = code.code_size * (2 if publishes else 1)
        check_storage(transaction, self.key, growth, self.plane.settings.code_storage)
        function = self._function(transaction.change, code)
        insert_function(transaction, function)
        add_usage(transaction, self.key, Usage(functions=1, code_size=code.code_size))
        save_tags(transaction, function, self.params.get("Tags") or {})
        if self.params.get("CodeSigningConfigArn"):
            check_same_trust(code.trust, self._trust(transaction))
            attach(transaction, function, self.params["CodeSigningConfigArn"])
        begin_deployment(transaction, function, "CreateFunction", self.caller, code, "")
        answer = configuration_answer(self.key, function.latest)
        if publishes:
            published, version = publish(transaction, function, function.shown, CREATING, None)
            save_function(transaction, published)
            answer["Version"] = version.number
        return Accepted(answer=answer, unfinished=unfinished(function))

    @property
    def _package_type(self) -> str:
        return self.params.get("PackageType") or "Zip"

    def _check_package_type(self) -> None:
        params = self.params
        check_package_type(params, self._package_type)
        if self._package_type == "Image":
            if params.get("CodeSigningConfigArn"):
                raise InvalidParameterValueException(
                    "CodeSigningConfigArn is supported for functions with packageType Zip only."
                )
            return
        if not params.get("Runtime") or not params.get("Handler"):
            raise InvalidParameterValueException(
                "Runtime and Handler are mandatory parameters for functions created with deployment packages."
            )
        check_runtime(params["Runtime"], allow_ended=self.plane.settings.deprecated_runtimes)

    def _trust(self, reader: Reader) -> Trust | None:
        arn = self.params.get("CodeSigningConfigArn")
        return trust_of_config(reader, self.key, arn) if arn else None

    def _check_free(self, reader: Reader) -> None:
        if find_function(reader, self.key) is not None:
            raise function_exists(self.key.name)

    def _function(self, function_id: int, code: Code) -> Function:
        configuration = with_members(self._blank(), self.params, self.sealed)
        return Function(
            function_id=function_id,
            key=self.key,
            state=CREATING,
            update=None,
            revision_id=new_revision_id(),
            shown=configuration.with_code(code),
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
            package_type=self._package_type,
        )
