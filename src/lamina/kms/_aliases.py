"""Aliases: names of keys that can be moved from one to another."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lamina.errors import (
    AlreadyExistsException,
    InvalidAliasNameException,
    NotAuthorizedException,
    NotFoundException,
    ValidationException,
)
from lamina.kms._identifiers import LAMBDA_ALIAS, alias_arn
from lamina.kms._members import Answer, Params, page
from lamina.kms._records import Key, moment
from lamina.kms._store import KeyStore, caller_of, check_not_pending
from lamina.state import Reader, Row, Transaction

if TYPE_CHECKING:
    from lamina.functions import Call

_PREFIX = "alias/"
_RESERVED = "alias/aws/"
_NAME = re.compile(r"alias/[a-zA-Z0-9/_-]+")
_PAGE = 50


async def create_alias(store: KeyStore, call: Call, params: Params) -> Answer:
    """CreateAlias."""
    name = _checked(params)

    def work(transaction: Transaction) -> Answer:
        key = _target(store, transaction, call, params, "CreateAlias")
        if transaction.one("kms_alias", account_id=call.account_id, region=call.region, name=name) is not None:
            arn = alias_arn(call.account_id, call.region, name)
            raise AlreadyExistsException(f"An alias with the name {arn} already exists")
        _save(store, transaction, key, name)
        return {}

    return await store.state.write(work)


async def update_alias(store: KeyStore, call: Call, params: Params) -> Answer:
    """UpdateAlias: another key for an alias, if the caller may change the aliases of both keys."""
    name = _checked(params)

    def work(transaction: Transaction) -> Answer:
        store.need(transaction, caller_of(call), name, "UpdateAlias")
        _save(store, transaction, _target(store, transaction, call, params, "UpdateAlias"), name)
        return {}

    return await store.state.write(work)


async def delete_alias(store: KeyStore, call: Call, params: Params) -> Answer:
    """DeleteAlias: the key stays."""
    name = _checked(params)

    def work(transaction: Transaction) -> Answer:
        store.need(transaction, caller_of(call), name, "DeleteAlias")
        transaction.run("kms_alias_delete", account_id=call.account_id, region=call.region, name=name)
        return {}

    return await store.state.write(work)


async def list_aliases(store: KeyStore, call: Call, params: Params) -> Answer:
    """ListAliases: of the account, or of one key. That of Lambda is there before it has a key."""
    place = {"account_id": call.account_id, "region": call.region}
    await store.ensure_lambda_key(params.get("KeyId", ""), call.account_id, call.region)

    def work(reader: Reader) -> Answer:
        name = params.get("KeyId")
        key_id = "" if name is None else store.need(reader, caller_of(call), name, "ListAliases").key_id

        def find(start: str, count: int) -> list[Row]:
            rows = reader.all("kms_aliases_page", **place, key_id=key_id, start=start, count=count)
            if not key_id and start <= LAMBDA_ALIAS and reader.one("kms_alias", **place, name=LAMBDA_ALIAS) is None:
                rows = sorted([*rows, {"name": LAMBDA_ALIAS}], key=lambda row: str(row["name"]))[:count]
            return rows

        rows, more = page(params, "Aliases", _PAGE, find, lambda row: str(row["name"]))
        return {"Aliases": [_entry(call, row) for row in rows]} | more

    return await store.state.read(work)


def _entry(call: Call, row: Row) -> Answer:
    entry = {"AliasName": row["name"], "AliasArn": alias_arn(call.account_id, call.region, row["name"])}
    if "key_id" not in row:
        return entry
    dates = {"CreationDate": moment(row["created_ms"]), "LastUpdatedDate": moment(row["updated_ms"])}
    return entry | {"TargetKeyId": row["key_id"]} | dates


def _checked(params: Params) -> str:
    name: str = params["AliasName"]
    if not name.startswith(_PREFIX):
        raise ValidationException('Alias must start with the prefix "alias/".')
    if name.startswith(_RESERVED):
        raise NotAuthorizedException("Aliases that begin with alias/aws/ belong to AWS.")
    if not _NAME.fullmatch(name):
        raise InvalidAliasNameException(f"{name} contains invalid characters for an alias")
    return name


def _target(store: KeyStore, transaction: Transaction, call: Call, params: Params, action: str) -> Key:
    if params["TargetKeyId"].startswith(_PREFIX) or f":{_PREFIX}" in params["TargetKeyId"]:
        raise NotFoundException("Aliases must refer to keys. Not aliases")
    key = store.need(transaction, caller_of(call), params["TargetKeyId"], action)
    check_not_pending(key)
    return key


def _save(store: KeyStore, transaction: Transaction, key: Key, name: str) -> None:
    place = {"account_id": key.account_id, "region": key.region, "name": name}
    transaction.run("kms_alias_save", **place, key_id=key.key_id, now_ms=store.now_ms())
