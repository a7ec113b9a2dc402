"""Key policies: who may do what with a key.

Evaluated are Effect, Principal and NotPrincipal (``*``, accounts, exact ARNs), Action and NotAction and Resource (with
``*`` and ``?``), and the conditions of ``_conditions``. An account as principal means everybody in it, because there
are no identity policies here. An explicit Deny wins; without an Allow that matches the answer is no.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson

from lamina.errors import AccessDeniedException, MalformedPolicyDocumentException
from lamina.kms._conditions import Facts, may_hold, must_hold, wildcard
from lamina.kms._identifiers import root_of

_ACCOUNT = re.compile(r"(?:arn:aws[a-z-]*:iam::)?(\d{12})(?::root)?", re.ASCII)
_PRINCIPALS = frozenset({"AWS", "Service", "Federated", "CanonicalUser"})
_VERSIONS = frozenset({"2012-10-17", "2008-10-17"})

Statement = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One use of a key that a policy allows or not.

    ``principal`` is the caller's ARN; ``via`` the service that acts for it, such as ``lambda.eu-west-1.amazonaws.com``,
    empty for a direct call; ``context`` the encryption context.
    """

    action: str
    key_arn: str
    account_id: str
    principal: str
    via: str = ""
    context: Mapping[str, str] = field(default_factory=dict)


def check_access(policy: str, use: Use) -> None:
    """Raise AccessDeniedException unless the policy allows the use."""
    statements = parse_policy(policy)
    facts = _facts(use)
    if any(_denies(statement, use, facts) for statement in statements):
        raise _denied(use, "with an explicit deny in a resource-based policy")
    if not any(_allows(statement, use, facts) for statement in statements):
        raise _denied(use, f"because no resource-based policy allows the {use.action} action")


@lru_cache(maxsize=256)
def parse_policy(text: str) -> tuple[Statement, ...]:
    """The statements of a policy. Raises MalformedPolicyDocumentException."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise MalformedPolicyDocumentException(f"Policy document is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise MalformedPolicyDocumentException("Policy document is not a JSON object.")
    if document.get("Version", "2008-10-17") not in _VERSIONS:
        raise MalformedPolicyDocumentException("Policy document has an invalid Version.")
    statements = _listed(document.get("Statement", []))
    if not statements:
        raise MalformedPolicyDocumentException("Policy document has no statement.")
    for statement in statements:
        _check_statement(statement)
    return tuple(statements)


def default_policy(account_id: str) -> str:
    """What a key has when it was created without a policy: the account may do everything."""
    statement = {
        "Sid": "Enable IAM User Permissions",
        "Effect": "Allow",
        "Principal": {"AWS": root_of(account_id)},
        "Action": "kms:*",
        "Resource": "*",
    }
    return _printed("key-default-1", statement)


def lambda_policy(account_id: str, region: str) -> str:
    """The policy of ``alias/aws/lambda``: Lambda may use the key, the account may look at it."""
    used = {
        "Sid": "Allow access through AWS Lambda for all principals in the account that are authorized to use it",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
        "Resource": "*",
        "Condition": {
            "StringEquals": {"kms:ViaService": f"lambda.{region}.amazonaws.com", "kms:CallerAccount": account_id}
        },
    }
    seen = {
        "Sid": "Allow direct access to key metadata to the account",
        "Effect": "Allow",
        "Principal": {"AWS": root_of(account_id)},
        "Action": ["kms:Describe*", "kms:Get*", "kms:List*"],
        "Resource": "*",
    }
    return _printed("auto-awslambda", used, seen)


def _printed(policy_id: str, *statements: Mapping[str, Any]) -> str:
    document = {"Version": "2012-10-17", "Id": policy_id, "Statement": statements}
    return json.dumps(document, indent=2, separators=(",", " : "))


def _check_statement(statement: object) -> None:
    if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
        raise MalformedPolicyDocumentException("A statement of the policy has no valid Effect.")
    for name in ("Action", "Principal"):
        if (name in statement) == (f"Not{name}" in statement):
            raise MalformedPolicyDocumentException(f"A statement of the policy needs {name} or Not{name}.")
    _check_principal(statement.get("Principal", statement.get("NotPrincipal")))
    for texts in (statement.get("Action", statement.get("NotAction")), statement.get("Resource")):
        if not _listed(texts) or not all(isinstance(text, str) for text in _listed(texts)):
            raise MalformedPolicyDocumentException("A statement of the policy has no valid Action or Resource.")
    condition = statement.get("Condition", {})
    if not isinstance(condition, dict) or not all(isinstance(operands, dict) for operands in condition.values()):
        raise MalformedPolicyDocumentException("A statement of the policy has no valid Condition.")


def _check_principal(principal: object) -> None:
    if principal == "*":
        return
    if not isinstance(principal, dict) or not principal or not principal.keys() <= _PRINCIPALS:
        raise MalformedPolicyDocumentException("Policy contains a statement with one or more invalid principals.")
    for names in principal.values():
        if not _listed(names) or not all(isinstance(name, str) for name in _listed(names)):
            raise MalformedPolicyDocumentException("Policy contains a statement with one or more invalid principals.")


def _allows(statement: Statement, use: Use, facts: Facts) -> bool:
    return statement["Effect"] == "Allow" and _concerns(statement, use) and must_hold(_condition(statement), facts)


def _denies(statement: Statement, use: Use, facts: Facts) -> bool:
    return statement["Effect"] == "Deny" and _concerns(statement, use) and may_hold(_condition(statement), facts)


def _condition(statement: Statement) -> Mapping[str, Mapping[str, Any]]:
    condition: Mapping[str, Mapping[str, Any]] = statement.get("Condition", {})
    return condition


def _concerns(statement: Statement, use: Use) -> bool:
    if not any(text == "*" or wildcard(text, use.key_arn) for text in _listed(statement["Resource"])):
        return False
    action, actions = use.action.lower(), _listed(statement.get("Action", statement.get("NotAction")))
    if any(wildcard(text.lower(), action) for text in actions) != ("Action" in statement):
        return False
    principals = statement.get("Principal", statement.get("NotPrincipal"))
    return _includes(principals, use) == ("Principal" in statement)


def _includes(principals: Any, use: Use) -> bool:
    if principals == "*":
        return True
    return any(_is_caller(name, use) for name in _listed(principals.get("AWS", [])))


def _is_caller(name: str, use: Use) -> bool:
    if name in ("*", use.principal):
        return True
    account = _ACCOUNT.fullmatch(name)
    return account is not None and account[1] == use.account_id


def _facts(use: Use) -> Facts:
    facts = {
        "aws:principalarn": use.principal,
        "aws:principalaccount": use.account_id,
        "kms:calleraccount": use.account_id,
        "kms:viaservice": use.via or None,
    }
    return facts | {f"kms:encryptioncontext:{name.lower()}": value for name, value in use.context.items()}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _denied(use: Use, reason: str) -> AccessDeniedException:
    return AccessDeniedException(
        f"User: {use.principal} is not authorized to perform: {use.action} on resource: {use.key_arn} {reason}"
    )
