"""Resource policies of functions, versions and aliases (API notes, section 12)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from lamina.errors import InvalidParameterValueException, ResourceNotFoundException
from lamina.functions._identity import new_revision_id
from lamina.functions._live import Call
from lamina.functions._messages import (
    alias_arn_not_found,
    function_not_found,
    policy_too_long,
    resource_not_found,
    stale_revision,
    statement_exists,
)
from lamina.functions._names import Target
from lamina.functions._plane import Answer, Params, Plane, target_of
from lamina.functions._records import LATEST, Function
from lamina.functions._store import find_alias, find_function, find_version, need_function
from lamina.state import Reader, Transaction

_LARGEST = 20_480
_SERVICE = re.compile(r"[a-zA-Z0-9.-]+\.amazonaws\.com(\.cn)?")
_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_IAM = re.compile(r"arn:aws[a-z-]*:(iam|sts)::\d{12}:\S+", re.ASCII)

# The members that make conditions: (member, operator, key), in the order in which they are printed.
_CONDITIONS = (
    ("SourceAccount", "StringEquals", "AWS:SourceAccount"),
    ("PrincipalOrgID", "StringEquals", "aws:PrincipalOrgID"),
    ("EventSourceToken", "StringEquals", "lambda:EventSourceToken"),
    ("FunctionUrlAuthType", "StringEquals", "lambda:FunctionUrlAuthType"),
    ("SourceArn", "ArnLike", "AWS:SourceArn"),
    ("InvokedViaFunctionUrl", "Bool", "lambda:InvokedViaFunctionUrl"),
)

Statement = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The statements in the order in which they were added, and the policy's own RevisionId."""

    revision_id: str
    statements: tuple[Statement, ...]

    @property
    def document(self) -> str:
        """The policy as the JSON text that GetPolicy answers."""
        document = {"Version": "2012-10-17", "Id": "default", "Statement": self.statements}
        return orjson.dumps(document).decode()


async def add_permission(plane: Plane, call: Call, params: Params) -> Answer:
    """AddPermission: one more statement."""
    target = target_of(call, "AddPermission", params)
    if target.qualifier == LATEST:
        raise InvalidParameterValueException("We currently do not support adding policies for $LATEST.")
    statement = _statement(target, params)
    revision_id = params.get("RevisionId")
    await plane.state.write(lambda transaction: _add(transaction, target, statement, revision_id))
    return {"Statement": orjson.dumps(statement).decode()}


async def remove_permission(plane: Plane, call: Call, params: Params) -> Answer:
    """RemovePermission: one statement less; without statements there is no policy."""
    target = target_of(call, "RemovePermission", params)
    statement_id, revision_id = params["StatementId"], params.get("RevisionId")
    await plane.state.write(lambda transaction: _remove(transaction, target, statement_id, revision_id))
    return {}


async def get_policy(plane: Plane, call: Call, params: Params) -> Answer:
    """GetPolicy."""
    target = target_of(call, "GetPolicy", params)

    def work(reader: Reader) -> Policy:
        function = find_function(reader, target.key)
        policy = None if function is None else _policy(reader, function, target)
        if policy is None:
            raise resource_not_found()
        return policy

    policy = await plane.state.read(work)
    return {"Policy": policy.document, "RevisionId": policy.revision_id}


def delete_policy(transaction: Transaction, function: Function, qualifier: str) -> None:
    """Remove the policy of a version or an alias that is removed."""
    transaction.run("policy_delete", function_id=function.function_id, qualifier=qualifier)


def _statement(target: Target, params: Mapping[str, Any]) -> Statement:
    statement = {
        "Sid": params["StatementId"],
        "Effect": "Allow",
        "Principal": _principal(params["Principal"]),
        "Action": params["Action"],
        "Resource": target.arn,
    }
    condition: dict[str, dict[str, Any]] = {}
    for member, operator, key in _CONDITIONS:
        value = params.get(member)
        if value is not None:
            condition.setdefault(operator, {})[key] = _text(value)
    return statement | ({"Condition": condition} if condition else {})


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _principal(principal: str) -> str | dict[str, str]:
    if principal == "*":
        return principal
    if _SERVICE.fullmatch(principal):
        return {"Service": principal}
    if _ACCOUNT.fullmatch(principal):
        return {"AWS": f"arn:aws:iam::{principal}:root"}
    if _IAM.fullmatch(principal):
        return {"AWS": principal}
    raise InvalidParameterValueException(
        "The provided principal was invalid. Please check the principal and try again."
    )


def _add(transaction: Transaction, target: Target, statement: Statement, revision_id: str | None) -> None:
    function = need_function(transaction, target.key)
    subject = _subject_revision(transaction, function, target)
    policy = _policy(transaction, function, target)
    _check_revision(revision_id, target, policy, subject)
    statements = () if policy is None else policy.statements
    if any(other["Sid"] == statement["Sid"] for other in statements):
        raise statement_exists(statement["Sid"])
    added = Policy(revision_id=new_revision_id(), statements=(*statements, statement))
    size = len(added.document.encode())
    if size > _LARGEST:
        raise policy_too_long(size, _LARGEST)
    _save(transaction, function, target, added)


def _remove(transaction: Transaction, target: Target, statement_id: str, revision_id: str | None) -> None:
    function = find_function(transaction, target.key)
    if function is None:
        raise ResourceNotFoundException(f"No policy found for: {target.key.arn}")
    subject = _subject_revision(transaction, function, target)
    policy = _policy(transaction, function, target)
    if policy is None:
        raise ResourceNotFoundException("No policy is associated with the given resource.")
    _check_revision(revision_id, target, policy, subject)
    left = tuple(each for each in policy.statements if each["Sid"] != statement_id)
    if len(left) == len(policy.statements):
        raise ResourceNotFoundException(f"Statement {statement_id} is not found in resource policy.")
    if left:
        _save(transaction, function, target, Policy(revision_id=new_revision_id(), statements=left))
    else:
        delete_policy(transaction, function, target.qualifier or "")


def _check_revision(given: str | None, target: Target, policy: Policy | None, subject: str) -> None:
    """The policy's RevisionId counts; before there is a policy, and for an alias always, that of its resource."""
    accepted = {subject} if policy is None or not _is_version(target) else set[str]()
    if policy is not None:
        accepted.add(policy.revision_id)
    if given is not None and given not in accepted:
        raise stale_revision("GetPolicy")


def _is_version(target: Target) -> bool:
    return target.qualifier is None or target.qualifier.isdigit()


def _subject_revision(reader: Reader, function: Function, target: Target) -> str:
    """The RevisionId of what the policy is for; raises ResourceNotFoundException when that does not exist."""
    qualifier = target.qualifier
    version = find_version(reader, function, qualifier or LATEST)
    if version is not None:
        return version.revision_id
    alias = None if qualifier is None else find_alias(reader, function, qualifier)
    if alias is not None:
        return alias.revision_id
    if qualifier is None or qualifier.isdigit() or "$" in qualifier:
        raise function_not_found(target.arn)
    raise alias_arn_not_found(function.key, qualifier)


def _policy(reader: Reader, function: Function, target: Target) -> Policy | None:
    row = reader.one("policy_one", function_id=function.function_id, qualifier=target.qualifier or "")
    if row is None:
        return None
    return Policy(revision_id=row["revision_id"], statements=tuple(orjson.loads(row["statements"])))


def _save(transaction: Transaction, function: Function, target: Target, policy: Policy) -> None:
    transaction.run(
        "policy_save",
        function_id=function.function_id,
        qualifier=target.qualifier or "",
        revision_id=policy.revision_id,
        statements=orjson.dumps(policy.statements).decode(),
    )
