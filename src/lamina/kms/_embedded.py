"""The ``KeyService`` of the keys that are kept here."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import TypeVar

from lamina.errors import AccessDeniedException, KmsError, KMSInvalidStateException, ServiceError
from lamina.kms._cipher import KEY_BYTES
from lamina.kms._ciphertext import encrypt_under
from lamina.kms._cryptography import open_ciphertext, usable
from lamina.kms._failures import cannot_decrypt, cannot_encrypt
from lamina.kms._identifiers import root_of
from lamina.kms._interface import DataKey, KeyUser
from lamina.kms._store import Caller, KeyStore
from lamina.state import Reader

T = TypeVar("T")

_REFUSALS = (KmsError, KMSInvalidStateException, AccessDeniedException)


class EmbeddedKms:
    """Data keys under the keys of a ``KeyStore``; key policies apply to the function's role."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store

    async def data_key(self, key_arn: str, context: Mapping[str, str], user: KeyUser) -> DataKey:
        """See ``KeyService.data_key``."""
        caller = _caller(user, context)

        def work(reader: Reader) -> DataKey:
            key = usable(self._store, reader, caller, key_arn, "GenerateDataKey")
            plaintext = secrets.token_bytes(KEY_BYTES)
            wrapped = encrypt_under(self._store, reader, key, plaintext, context)
            return DataKey(plaintext=plaintext, wrapped=wrapped, key_arn=key.arn)

        await self._store.ensure_lambda_key(key_arn, user.account_id, user.region)
        return await self._read(work, user, cannot_encrypt)

    async def unwrap(self, wrapped: bytes, key_arn: str, context: Mapping[str, str], user: KeyUser) -> bytes:
        """See ``KeyService.unwrap``."""
        caller = _caller(user, context)

        def work(reader: Reader) -> bytes:
            return open_ciphertext(self._store, reader, caller, wrapped, key_arn, "Decrypt").plaintext

        return await self._read(work, user, cannot_decrypt)

    async def _read(
        self, work: Callable[[Reader], T], user: KeyUser, failure: Callable[[str, str | None, str], ServiceError]
    ) -> T:
        try:
            return await self._store.state.read(work)
        except _REFUSALS as error:
            raise failure(error.code, error.message, user.subject) from None


def _caller(user: KeyUser, context: Mapping[str, str]) -> Caller:
    return Caller(
        account_id=user.account_id,
        region=user.region,
        principal=user.principal or root_of(user.account_id),
        via=f"lambda.{user.region}.amazonaws.com",
        context=context,
    )
