"""Code signing configurations, and which functions have one (API notes, section 9)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from string import ascii_lowercase, digits
from typing import Any

import orjson

from lamina.errors import (
    CodeSigningConfigNotFoundException,
    InvalidParameterValueException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from lamina.functions import _tags
from lamina.functions._identity import now
from lamina.functions._live import Call, FunctionKey
from lamina.functions._messages import too_many_tags
from lamina.functions._pages import page, page_size, page_start
from lamina.functions._plane import Answer, Params, Plane, target_of
from lamina.functions._records import Function
from lamina.functions._store import need_function
from lamina.signing import Policy, Trust
from lamina.state import Reader, Row, Transaction

_MOST_TAGS = 50
_ID_LETTERS = ascii_lowercase + digits


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeSigningConfig:
    """A code signing configuration; ``publishers`` are ARNs of profile versions in the order in which they came."""

    arn: str
    account_id: str
    region: str
    config_id: str
    description: str
    publishers: tuple[str, ...]
    policy: Policy
    last_modified: str
    change: int

    @property
    def trust(self) -> Trust:
        """What a deployment needs of it."""
        return Trust(config_arn=self.arn, allowed=frozenset(self.publishers), policy=self.policy, change=self.change)


def trust_of(reader: Reader, function: Function) -> Trust | None:
    """Whom the function trusts; None when it has no configuration and takes any code."""
    row = reader.one("function_code_signing_config", function_id=function.function_id)
    return None if row is None else _config(row).trust


def trust_of_config(reader: Reader, key: FunctionKey, arn: str) -> Trust:
    """Whom a function will trust that is made with a configuration. Raises CodeSigningConfigNotFoundException."""
    return _existing(reader, key, arn).trust


def attach(transaction: Transaction, function: Function, arn: str) -> None:
    """Give the function a configuration of its account and Region. Raises CodeSigningConfigNotFoundException."""
    _existing(transaction, function.key, arn)
    transaction.run("function_code_signing_save", function_id=function.function_id, arn=arn)


def check_same_trust(verified: Trust | None, current: Trust | None) -> None:
    """Refuse code that was verified under another configuration than the one that counts now (409)."""
    if verified != current:
        raise ResourceConflictException(
            "The operation cannot be performed at this time. The code signing configuration has changed while the "
            "code was being verified. Please try again."
        )


async def create_code_signing_config(plane: Plane, call: Call, params: Params) -> Answer:
    """CreateCodeSigningConfig."""
    tags = params.get("Tags") or {}
    _tags.check_tags(tags)
    config_id = "csc-" + "".join(secrets.choice(_ID_LETTERS) for _ in range(17))
    made = CodeSigningConfig(
        arn=f"arn:aws:lambda:{call.region}:{call.account_id}:code-signing-config:{config_id}",
        account_id=call.account_id,
        region=call.region,
        config_id=config_id,
        description="",
        publishers=(),
        policy="Warn",
        last_modified=now(),
        change=0,
    )

    def work(transaction: Transaction) -> CodeSigningConfig:
        config = replace(_with_members(made, params), change=transaction.change)
        _save(transaction, config)
        _save_tags(transaction, config.arn, tags)
        return config

    return {"CodeSigningConfig": _view(await plane.state.write(work))}


async def get_code_signing_config(plane: Plane, call: Call, params: Params) -> Answer:
    """GetCodeSigningConfig."""
    config = await plane.state.read(lambda reader: _need(reader, call, params))
    return {"CodeSigningConfig": _view(config)}


async def update_code_signing_config(plane: Plane, call: Call, params: Params) -> Answer:
    """UpdateCodeSigningConfig: for deployments from now on; what is deployed stays."""

    def work(transaction: Transaction) -> CodeSigningConfig:
        old = _need(transaction, call, params)
        config = _with_members(old, params)
        if config == old:
            return old
        config = replace(config, last_modified=now())
        if (config.publishers, config.policy) != (old.publishers, old.policy):
            config = replace(config, change=transaction.change)
        _save(transaction, config)
        return config

    return {"CodeSigningConfig": _view(await plane.state.write(work))}


async def delete_code_signing_config(plane: Plane, call: Call, params: Params) -> Answer:
    """DeleteCodeSigningConfig; one that a function has stays (409)."""

    def work(transaction: Transaction) -> None:
        config = _need(transaction, call, params)
        if transaction.all("code_signing_config_functions_page", arn=config.arn, name="", count=1):
            raise ResourceConflictException(
                f"The code signing configuration {config.arn} cannot be deleted because functions use it."
            )
        transaction.run("code_signing_config_delete", arn=config.arn)

    await plane.state.write(work)
    return {}


async def list_code_signing_configs(plane: Plane, call: Call, params: Params) -> Answer:
    """ListCodeSigningConfigs."""
    size = page_size(params)
    start = page_start(params, "code signing configs", "")
    where = {"account_id": call.account_id, "region": call.region, "config_id": start, "count": size + 1}
    rows = await plane.state.read(lambda reader: reader.all("code_signing_configs_page", **where))
    return page(
        "CodeSigningConfigs",
        "code signing configs",
        [_config(row) for row in rows],
        size,
        position=lambda config: config.config_id,
        view=_view,
    )


async def list_functions_by_code_signing_config(plane: Plane, call: Call, params: Params) -> Answer:
    """ListFunctionsByCodeSigningConfig: unqualified ARNs by name."""
    size = page_size(params)
    start = page_start(params, "functions with a code signing config", "")

    def work(reader: Reader) -> list[str]:
        arn = _need(reader, call, params).arn
        rows = reader.all("code_signing_config_functions_page", arn=arn, name=start, count=size + 1)
        return [row["name"] for row in rows]

    return page(
        "FunctionArns",
        "functions with a code signing config",
        await plane.state.read(work),
        size,
        position=lambda name: name,
        view=lambda name: FunctionKey(call.account_id, call.region, name).arn,
    )


async def put_function_code_signing_config(plane: Plane, call: Call, params: Params) -> Answer:
    """PutFunctionCodeSigningConfig; of two unknown things the configuration's error wins."""
    key = target_of(call, "PutFunctionCodeSigningConfig", params).function
    arn = params["CodeSigningConfigArn"]

    def work(transaction: Transaction) -> None:
        _existing(transaction, key, arn)
        function = need_function(transaction, key)
        if function.shown.package_type != "Zip":
            raise InvalidParameterValueException(
                "Code signing configurations are supported for functions with packageType Zip only."
            )
        attach(transaction, function, arn)

    await plane.state.write(work)
    return {"CodeSigningConfigArn": arn, "FunctionName": key.name}


async def get_function_code_signing_config(plane: Plane, call: Call, params: Params) -> Answer:
    """GetFunctionCodeSigningConfig; empty for a function without one."""
    key = target_of(call, "GetFunctionCodeSigningConfig", params).function
    trust = await plane.state.read(lambda reader: trust_of(reader, need_function(reader, key)))
    return {} if trust is None else {"CodeSigningConfigArn": trust.config_arn, "FunctionName": key.name}


async def delete_function_code_signing_config(plane: Plane, call: Call, params: Params) -> Answer:
    """DeleteFunctionCodeSigningConfig: from now on the function takes any code."""
    key = target_of(call, "DeleteFunctionCodeSigningConfig", params).function

    def work(transaction: Transaction) -> None:
        transaction.run("function_code_signing_delete", function_id=need_function(transaction, key).function_id)

    await plane.state.write(work)
    return {}


async def tag_resource(plane: Plane, call: Call, params: Params) -> Answer:
    """TagResource, for code signing configurations too."""
    if not _is_config(params["Resource"]):
        return await _tags.tag_resource(plane, call, params)
    added = params.get("Tags") or {}
    if not added:
        raise InvalidParameterValueException("An error occurred and the request cannot be processed.")
    _tags.check_tags(added)

    def work(transaction: Transaction) -> None:
        arn = _tagged(transaction, call, params)
        if len(_tags_of(transaction, arn) | added) > _MOST_TAGS:
            raise too_many_tags()
        _save_tags(transaction, arn, added)

    await plane.state.write(work)
    return {}


async def untag_resource(plane: Plane, call: Call, params: Params) -> Answer:
    """UntagResource, for code signing configurations too."""
    if not _is_config(params["Resource"]):
        return await _tags.untag_resource(plane, call, params)

    def work(transaction: Transaction) -> None:
        arn = _tagged(transaction, call, params)
        for name in params.get("TagKeys") or []:
            transaction.run("code_signing_config_tag_delete", arn=arn, name=name)

    await plane.state.write(work)
    return {}


async def list_tags(plane: Plane, call: Call, params: Params) -> Answer:
    """ListTags, for code signing configurations too."""
    if not _is_config(params["Resource"]):
        return await _tags.list_tags(plane, call, params)
    return {"Tags": await plane.state.read(lambda reader: _tags_of(reader, _tagged(reader, call, params)))}


def _is_config(resource: str) -> bool:
    return resource.split(":")[5:6] == ["code-signing-config"]


def _tagged(reader: Reader, call: Call, params: Params) -> str:
    return _need(reader, call, {"CodeSigningConfigArn": params["Resource"]}).arn


def _tags_of(reader: Reader, arn: str) -> dict[str, str]:
    return {row["name"]: row["value"] for row in reader.all("code_signing_config_tags_all", arn=arn)}


def _save_tags(transaction: Transaction, arn: str, tags: Mapping[str, str]) -> None:
    for name, value in tags.items():
        transaction.run("code_signing_config_tag_save", arn=arn, name=name, value=value)


def _with_members(config: CodeSigningConfig, params: Mapping[str, Any]) -> CodeSigningConfig:
    """The configuration with all given members; those not given stay."""
    publishers, policies = params.get("AllowedPublishers"), params.get("CodeSigningPolicies") or {}
    description = params.get("Description")
    return replace(
        config,
        description=config.description if description is None else description,
        publishers=tuple(publishers["SigningProfileVersionArns"]) if publishers else config.publishers,
        policy=policies.get("UntrustedArtifactOnDeployment") or config.policy,
    )


def _view(config: CodeSigningConfig) -> dict[str, Any]:
    return {
        "CodeSigningConfigId": config.config_id,
        "CodeSigningConfigArn": config.arn,
        "Description": config.description,
        "AllowedPublishers": {"SigningProfileVersionArns": list(config.publishers)},
        "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": config.policy},
        "LastModified": config.last_modified,
    }


def _find(reader: Reader, account_id: str, region: str, arn: str) -> CodeSigningConfig | None:
    row = reader.one("code_signing_config_one", arn=arn, account_id=account_id, region=region)
    return None if row is None else _config(row)


def _need(reader: Reader, call: Call, params: Mapping[str, Any]) -> CodeSigningConfig:
    arn = params["CodeSigningConfigArn"]
    config = _find(reader, call.account_id, call.region, arn)
    if config is None:
        message = f"The Lambda code signing configuration {arn} can not be found."
        raise ResourceNotFoundException(message, typed=False)
    return config


def _existing(reader: Reader, key: FunctionKey, arn: str) -> CodeSigningConfig:
    config = _find(reader, key.account_id, key.region, arn)
    if config is None:
        raise CodeSigningConfigNotFoundException(
            "The code signing configuration cannot be found. "
            f"Check that the provided configuration is not deleted: {arn}."
        )
    return config


def _config(row: Row) -> CodeSigningConfig:
    return CodeSigningConfig(**{**row, "publishers": tuple(orjson.loads(row["publishers"]))})


def _save(transaction: Transaction, config: CodeSigningConfig) -> None:
    transaction.run(
        "code_signing_config_save",
        arn=config.arn,
        account_id=config.account_id,
        region=config.region,
        config_id=config.config_id,
        description=config.description,
        publishers=orjson.dumps(config.publishers).decode(),
        policy=config.policy,
        last_modified=config.last_modified,
        change=config.change,
    )
