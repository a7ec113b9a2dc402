"""How a key is named: by key id, key ARN, alias name or alias ARN (KMS API reference, "KeyId")."""

from __future__ import annotations

import re
from typing import NamedTuple

from lamina.errors import InvalidArnException, NotFoundException

_KEY_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|mrk-[0-9a-f]{32}")
_ALIAS = "alias/"
_KEY = "key/"

LAMBDA_ALIAS = "alias/aws/lambda"
"""The alias of the key that AWS makes by itself for Lambda, one for each account and Region."""


class KeyName(NamedTuple):
    """A key as a request names it; one of ``key_id`` and ``alias`` is empty."""

    account_id: str
    region: str
    key_id: str
    alias: str


def parse_key_name(text: str, account_id: str, region: str) -> KeyName:
    """What ``text`` means for a caller of this account and Region.

    Raises InvalidArnException for an ARN of something else, and NotFoundException for an ARN of another Region and for
    what is no name of a key.
    """
    if text.startswith("arn:"):
        return _parse_arn(text, region)
    if text.startswith(_ALIAS):
        return KeyName(account_id, region, "", text)
    if not _KEY_ID.fullmatch(text):
        raise NotFoundException(f"Invalid keyId '{text}'")
    return KeyName(account_id, region, text, "")


def key_arn(account_id: str, region: str, key_id: str) -> str:
    """The ARN of a key."""
    return f"arn:aws:kms:{region}:{account_id}:{_KEY}{key_id}"


def alias_arn(account_id: str, region: str, alias: str) -> str:
    """The ARN of an alias, whose name begins with ``alias/``."""
    return f"arn:aws:kms:{region}:{account_id}:{alias}"


def root_of(account_id: str) -> str:
    """The principal that stands for the whole account."""
    return f"arn:aws:iam::{account_id}:root"


def region_of(arn: str) -> str:
    """The Region in an ARN. Raises InvalidArnException for what is no ARN of KMS."""
    parts = arn.split(":", 5)
    if len(parts) < 6 or parts[0] != "arn" or parts[2] != "kms" or not parts[3]:
        raise InvalidArnException(f"Invalid arn {arn}")
    return parts[3]


def _parse_arn(arn: str, region: str) -> KeyName:
    its_region = region_of(arn)
    account_id, resource = arn.split(":", 5)[4:]
    is_key = resource.startswith(_KEY) and _KEY_ID.fullmatch(resource.removeprefix(_KEY))
    if not is_key and not resource.startswith(_ALIAS):
        raise InvalidArnException(f"Invalid arn {arn}")
    if its_region != region:
        raise NotFoundException(f"Invalid arn {its_region}")
    if is_key:
        return KeyName(account_id, region, resource.removeprefix(_KEY), "")
    return KeyName(account_id, region, "", resource)
