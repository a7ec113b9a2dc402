"""The rows of KMS as records, and the rules that hold for every operation on a key."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

from lamina.errors import AccessDeniedException, DisabledException, KMSInvalidStateException, NotFoundException
from lamina.kms._cipher import KEY_BYTES, decrypt, encrypt, packed_context
from lamina.kms._identifiers import LAMBDA_ALIAS, KeyName, alias_arn, key_arn, parse_key_name, root_of
from lamina.kms._master import MasterKey
from lamina.kms._policy import Use, check_access, lambda_policy
from lamina.kms._records import AWS, Key
from lamina.state import Reader, Row, State, Transaction

if TYPE_CHECKING:
    from lamina.functions import Call

_ACROSS_ACCOUNTS = frozenset(
    {
        "Decrypt",
        "DescribeKey",
        "Encrypt",
        "GenerateDataKey",
        "GenerateDataKeyWithoutPlaintext",
        "GetKeyRotationStatus",
        "ReEncryptFrom",
        "ReEncryptTo",
    }
)
_LAMBDA_DESCRIPTION = "Default key that protects my Lambda functions when no other key is defined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who uses a key. ``via`` is the service that acts for the principal, empty for a direct call."""

    account_id: str
    region: str
    principal: str
    via: str = ""
    context: Mapping[str, str] = field(default_factory=dict)


def caller_of(call: Call, context: Mapping[str, str] | None = None) -> Caller:
    """Who sends a request: a role whose temporary keys have signed it, or the root of its account."""
    return Caller(
        account_id=call.account_id,
        region=call.region,
        principal=call.role or root_of(call.account_id),
        context=context or {},
    )


class KeyStore:
    """The keys of all accounts and Regions. ``now_ms`` is the clock, in epoch milliseconds."""

    def __init__(self, state: State, master: MasterKey, now_ms: Callable[[], int]) -> None:
        self.state = state
        self.now_ms = now_ms
        self.headers = master.subkey("kms ciphertext header")
        self._wrapping = master.subkey("kms key material")

    def find(self, reader: Reader, account_id: str, region: str, key_id: str) -> Key | None:
        """A key that is not gone."""
        row = reader.one("kms_key", account_id=account_id, region=region, key_id=key_id, now_ms=self.now_ms())
        return None if row is None else _key(row)

    def find_anywhere(self, reader: Reader, region: str, key_id: str) -> Key | None:
        """A key of any account that is not gone."""
        row = reader.one("kms_key_owner", region=region, key_id=key_id)
        return None if row is None else self.find(reader, row["account_id"], region, key_id)

    def need(self, reader: Reader, caller: Caller, name: str, action: str) -> Key:
        """The key that a request names, if its policy lets the caller do ``action``.

        Raises NotFoundException, InvalidArnException and AccessDeniedException.
        """
        key = self._named(reader, parse_key_name(name, caller.account_id, caller.region))
        check_use(key, caller, action)
        return key

    def _named(self, reader: Reader, name: KeyName) -> Key:
        key_id = name.key_id or self._aliased(reader, name)
        key = self.find(reader, name.account_id, name.region, key_id)
        if key is None:
            raise NotFoundException(f"Key '{key_arn(name.account_id, name.region, key_id)}' does not exist")
        return key

    def _aliased(self, reader: Reader, name: KeyName) -> str:
        row = reader.one("kms_alias", account_id=name.account_id, region=name.region, name=name.alias)
        if row is None:
            raise NotFoundException(f"Alias {alias_arn(name.account_id, name.region, name.alias)} is not found.")
        return str(row["key_id"])

    async def ensure_lambda_key(self, name: str, account_id: str, region: str) -> None:
        """Make the account's ``alias/aws/lambda`` and its key if ``name`` is it and nobody has asked for it before."""
        if name not in (LAMBDA_ALIAS, alias_arn(account_id, region, LAMBDA_ALIAS)):
            return
        place = {"account_id": account_id, "region": region, "name": LAMBDA_ALIAS}

        def make(transaction: Transaction) -> None:
            if transaction.one("kms_alias", **place) is None:
                policy = lambda_policy(account_id, region)
                key = self.add(transaction, account_id, region, _LAMBDA_DESCRIPTION, policy, manager=AWS)
                transaction.run("kms_alias_save", **place, key_id=key.key_id, now_ms=self.now_ms())

        if await self.state.read(lambda reader: reader.one("kms_alias", **place)) is None:
            await self.state.write(make)

    def add(
        self, transaction: Transaction, account_id: str, region: str, description: str, policy: str, manager: str
    ) -> Key:
        """A new key with material of its own."""
        key_id = str(uuid4())
        transaction.run(
            "kms_key_insert",
            key_id=key_id,
            account_id=account_id,
            region=region,
            created_ms=self.now_ms(),
            description=description,
            manager=manager,
            policy=policy,
        )
        self.add_material(transaction, key_id, 1)
        key = self.find(transaction, account_id, region, key_id)
        assert key is not None
        return key

    def add_material(self, transaction: Transaction, key_id: str, number: int) -> None:
        """New material, which encrypts from now on."""
        material_id = secrets.token_hex(32)
        wrapped = encrypt(self._wrapping, secrets.token_bytes(KEY_BYTES), _bound(key_id, material_id))
        transaction.run("kms_material_insert", key_id=key_id, number=number, material_id=material_id, wrapped=wrapped)

    def material(self, reader: Reader, key_id: str, material_id: str) -> bytes | None:
        """The 32 bytes of one material. Raises ``SealBroken`` when the database is damaged."""
        row = reader.one("kms_material", key_id=key_id, material_id=material_id)
        return None if row is None else decrypt(self._wrapping, row["wrapped"], _bound(key_id, material_id))


def check_use(key: Key, caller: Caller, action: str) -> None:
    """Raise AccessDeniedException unless the key's policy lets the caller do it, and another account may at all."""
    if key.account_id != caller.account_id and action not in _ACROSS_ACCOUNTS:
        raise AccessDeniedException(f"{key.arn} belongs to another account, which alone may do kms:{action}.")
    use = Use(
        action=f"kms:{action}",
        key_arn=key.arn,
        account_id=caller.account_id,
        principal=caller.principal,
        via=caller.via,
        context=caller.context,
    )
    check_access(key.policy, use)


def check_not_pending(key: Key) -> None:
    """Raise KMSInvalidStateException for a key that waits for its deletion."""
    if key.deletion_ms is not None:
        raise KMSInvalidStateException(f"{key.arn} is pending deletion.")


def check_usable(key: Key) -> None:
    """Raise unless the key may encrypt and decrypt in its present state."""
    check_not_pending(key)
    if not key.enabled:
        raise DisabledException(f"{key.arn} is disabled.")


def save(transaction: Transaction, key: Key) -> None:
    """Store what can change of a key."""
    transaction.run(
        "kms_key_save",
        key_id=key.key_id,
        description=key.description,
        enabled=int(key.enabled),
        policy=key.policy,
        deletion_ms=key.deletion_ms,
        rotation_days=key.rotation_days,
        next_rotation_ms=key.next_rotation_ms,
    )


def _key(row: Row) -> Key:
    return Key(**{**row, "enabled": bool(row["enabled"])})


def _bound(key_id: str, material_id: str) -> bytes:
    return packed_context({"key": key_id, "material": material_id})
