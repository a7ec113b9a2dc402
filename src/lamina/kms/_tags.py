"""Tags of keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lamina.errors import TagException
from lamina.kms._members import Answer, Params, page
from lamina.kms._store import KeyStore, caller_of, check_not_pending
from lamina.state import Reader, Transaction

if TYPE_CHECKING:
    from lamina.functions import Call

Tag = dict[str, str]

_MOST = 50
_PAGE = 50
_RESERVED = "aws:"


def check_tags(tags: Sequence[Tag]) -> Sequence[Tag]:
    """The tags. Raises TagException for too many, for one given twice and for names that belong to AWS."""
    names = [tag["TagKey"] for tag in tags]
    if len(names) > _MOST:
        raise TagException("Too many tags")
    if len(set(names)) < len(names):
        raise TagException("Duplicate tag keys")
    if any(name.lower().startswith(_RESERVED) for name in names):
        raise TagException("Tag keys beginning with aws: are reserved")
    return tags


async def tag_resource(store: KeyStore, call: Call, params: Params) -> Answer:
    """TagResource: add tags or give them new values."""
    tags = check_tags(params["Tags"])

    def work(transaction: Transaction) -> Answer:
        key = store.need(transaction, caller_of(call), params["KeyId"], "TagResource")
        check_not_pending(key)
        for tag in tags:
            transaction.run("kms_tag_save", key_id=key.key_id, name=tag["TagKey"], value=tag["TagValue"])
        if len(_tags(transaction, key.key_id, "", _MOST + 1)) > _MOST:
            raise TagException("Too many tags")
        return {}

    return await store.state.write(work)


async def untag_resource(store: KeyStore, call: Call, params: Params) -> Answer:
    """UntagResource: remove tags, those that exist."""

    def work(transaction: Transaction) -> Answer:
        key = store.need(transaction, caller_of(call), params["KeyId"], "UntagResource")
        check_not_pending(key)
        for name in params["TagKeys"]:
            transaction.run("kms_tag_delete", key_id=key.key_id, name=name)
        return {}

    return await store.state.write(work)


async def list_resource_tags(store: KeyStore, call: Call, params: Params) -> Answer:
    """ListResourceTags."""
    await store.ensure_lambda_key(params["KeyId"], call.account_id, call.region)

    def work(reader: Reader) -> Answer:
        key = store.need(reader, caller_of(call), params["KeyId"], "ListResourceTags")

        def find(start: str, count: int) -> list[dict[str, Any]]:
            return _tags(reader, key.key_id, start, count)

        tags, more = page(params, "Tags", _PAGE, find, lambda tag: str(tag["name"]))
        return {"Tags": [{"TagKey": tag["name"], "TagValue": tag["value"]} for tag in tags]} | more

    return await store.state.read(work)


def _tags(reader: Reader, key_id: str, start: str, count: int) -> list[dict[str, Any]]:
    return reader.all("kms_tags_page", key_id=key_id, start=start, count=count)
