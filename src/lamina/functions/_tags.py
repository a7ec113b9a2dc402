"""TagResource, UntagResource and ListTags, for functions (API notes, section 16)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lamina.errors import InvalidParameterValueException, ResourceNotFoundException
from lamina.functions._identity import new_revision_id
from lamina.functions._live import Call, FunctionKey
from lamina.functions._messages import invalid, resource_not_found, too_many_tags
from lamina.functions._names import parse_target
from lamina.functions._plane import Answer, Params, Plane
from lamina.functions._store import delete_tags, need_function, save_function, save_tags, tags_of
from lamina.state import Reader, Transaction

_MOST = 50
_LONGEST_NAME = 128
_LONGEST_VALUE = 256


async def tag_resource(plane: Plane, call: Call, params: Params) -> Answer:
    """TagResource: add tags or give them new values; $LATEST gets a new RevisionId."""
    key = _function(call, "TagResource", params["Resource"])
    tags = params.get("Tags") or {}
    if not tags:
        raise InvalidParameterValueException("An error occurred and the request cannot be processed.")
    check_tags(tags)
    await plane.state.write(lambda transaction: _tag(transaction, key, tags))
    return {}


async def untag_resource(plane: Plane, call: Call, params: Params) -> Answer:
    """UntagResource: remove tags, those that exist; $LATEST gets a new RevisionId."""
    key = _function(call, "UntagResource", params["Resource"])
    names = params.get("TagKeys") or []
    await plane.state.write(lambda transaction: _untag(transaction, key, names))
    return {}


async def list_tags(plane: Plane, call: Call, params: Params) -> Answer:
    """ListTags."""
    key = _function(call, "ListTags", params["Resource"])

    def work(reader: Reader) -> dict[str, str]:
        return tags_of(reader, need_function(reader, key))

    return {"Tags": await plane.state.read(work)}


def check_tags(tags: Mapping[str, str]) -> None:
    """Refuse more tags than a resource may have, and names and values that are too long for one."""
    if len(tags) > _MOST:
        raise too_many_tags()
    for name, value in tags.items():
        if not 1 <= len(name) <= _LONGEST_NAME:
            constraint = f"Member must have length less than or equal to {_LONGEST_NAME}, "
            constraint += "Member must have length greater than or equal to 1"
            raise invalid(f"{{{name}={value}}}", "tags", f"Map keys must satisfy constraint: [{constraint}]")
        if len(value) > _LONGEST_VALUE:
            constraint = f"Member must have length less than or equal to {_LONGEST_VALUE}"
            raise invalid(f"{{{name}={value}}}", "tags", f"Map value must satisfy constraint: [{constraint}]")


def _tag(transaction: Transaction, key: FunctionKey, tags: dict[str, str]) -> None:
    function = need_function(transaction, key)
    if len(tags_of(transaction, function) | tags) > _MOST:
        raise too_many_tags()
    save_tags(transaction, function, tags)
    save_function(transaction, replace(function, revision_id=new_revision_id()))


def _untag(transaction: Transaction, key: FunctionKey, names: list[str]) -> None:
    function = need_function(transaction, key)
    delete_tags(transaction, function, names)
    save_function(transaction, replace(function, revision_id=new_revision_id()))


def _function(call: Call, operation: str, resource: str) -> FunctionKey:
    """The function that a tagging ARN means; nothing else that has tags can exist yet."""
    kind = resource.split(":")[5] if resource.count(":") >= 6 else ""
    if kind != "function":
        raise _missing(kind, resource)
    target = parse_target(call.account_id, call.region, operation, resource)
    if target.qualifier is not None:
        raise InvalidParameterValueException(
            "Tags on function aliases and versions are not supported. Please specify a function ARN."
        )
    return target.key


def _missing(kind: str, resource: str) -> ResourceNotFoundException:
    if kind == "event-source-mapping":
        return ResourceNotFoundException(f"Event source mapping not found: {resource}")
    if kind == "capacity-provider":
        return ResourceNotFoundException(f"Capacity provider not found: {resource}")
    return resource_not_found()
