"""Who a caller is, in the words of IAM: ARNs and unique ids."""

from __future__ import annotations

import base64
import hashlib
import re

_ROLE = re.compile(r"arn:aws[a-zA-Z-]*:iam::(\d{12}):role/(?:[\w+=,.@/-]*/)?([\w+=,.@-]{1,64})", re.ASCII)


def role_parts(arn: str) -> tuple[str, str] | None:
    """The account and the name of a role, without its path; None for what is no role's ARN."""
    match = _ROLE.fullmatch(arn)
    return None if match is None else (match[1], match[2])


def caller_arn(account_id: str, role: str, session: str) -> str:
    """The ARN of an assumed role's session, or of the account's root where ``role`` is empty."""
    if not role:
        return f"arn:aws:iam::{account_id}:root"
    parts = role_parts(role)
    name = parts[1] if parts else role.rpartition("/")[2]
    return f"arn:aws:sts::{account_id}:assumed-role/{name}/{session}"


def caller_id(account_id: str, role: str, session: str) -> str:
    """The unique id: that of the role and the session's name, or the account's number. A role has always the same."""
    if not role:
        return account_id
    digest = base64.b32encode(hashlib.sha256(role.encode()).digest()).decode()
    return f"AROA{digest[:17]}:{session}"
