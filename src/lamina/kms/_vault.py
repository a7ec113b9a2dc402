"""Encryption at rest: what is stored is sealed under a KMS key, or under the master key of the data folder."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping

from lamina.kms._cipher import KEY_BYTES, SealBroken, decrypt, encrypt
from lamina.kms._interface import KeyService, KeyUser
from lamina.kms._master import MasterKey
from lamina.kms._sealed import WHOLE, Head, read_head


class Vault:
    """Seals bytes that fit into memory. What comes out names its key and is bound to its encryption context.

    Each sealing under a KMS key has a data key of its own, which is stored wrapped beside the content and nowhere else;
    so a key that is disabled makes all of it unreadable from that moment on.
    """

    def __init__(self, master: MasterKey, keys: KeyService) -> None:
        self._here = master.subkey("vault")
        self._keys = keys

    async def seal(self, plaintext: bytes, key_arn: str | None, context: Mapping[str, str], user: KeyUser) -> bytes:
        """Seal under a KMS key; under the master key without one. Raises what ``KeyService.data_key`` does."""
        if not key_arn:
            return await asyncio.to_thread(self.seal_here, plaintext, context)
        key = await self._keys.data_key(key_arn, context, user)
        head = Head(kind=WHOLE, key_arn=key.key_arn, wrapped=key.wrapped)
        return await asyncio.to_thread(_sealed, key.plaintext, head, plaintext, context)

    async def unseal(self, sealed: bytes, context: Mapping[str, str], user: KeyUser) -> bytes:
        """What was sealed. Raises ``SealBroken``, and what ``KeyService.unwrap`` does."""
        head, content = _opened(sealed)
        if not head.key_arn:
            return await asyncio.to_thread(decrypt, self._here, content, head.bound(context))
        key = await self._keys.unwrap(head.wrapped, head.key_arn, context, user)
        if len(key) != KEY_BYTES:
            raise SealBroken("the data key is not one of Lamina")
        return await asyncio.to_thread(decrypt, key, content, head.bound(context))

    def seal_here(self, plaintext: bytes, context: Mapping[str, str]) -> bytes:
        """Seal under the master key, in microseconds once ``cryptography`` is loaded."""
        return _sealed(self._here, Head(kind=WHOLE), plaintext, context)

    def unseal_here(self, sealed: bytes, context: Mapping[str, str]) -> bytes:
        """What ``seal_here`` has sealed. Raises ``SealBroken``, also for what a KMS key has sealed."""
        head, content = _opened(sealed)
        if head.key_arn:
            raise SealBroken(f"it is sealed under {head.key_arn}, not under the master key")
        return decrypt(self._here, content, head.bound(context))


def key_of(sealed: bytes) -> str | None:
    """The ARN of the KMS key that something is sealed under, None for the master key. Raises ``SealBroken``."""
    return read_head(io.BytesIO(sealed)).key_arn or None


def _sealed(key: bytes, head: Head, plaintext: bytes, context: Mapping[str, str]) -> bytes:
    return head.packed + encrypt(key, plaintext, head.bound(context))


def _opened(sealed: bytes) -> tuple[Head, bytes]:
    source = io.BytesIO(sealed)
    head = read_head(source)
    if head.kind != WHOLE:
        raise SealBroken("it is a sealed stream")
    return head, source.read()
