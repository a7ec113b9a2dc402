"""AES-256-GCM, the one cipher of this package, with a key of its own for every message.

The key that encrypts is derived from the given one and 16 random bytes (HMAC-SHA256), so that no number of messages
under one key brings its random nonces near a collision.
"""

from __future__ import annotations

import hmac
import secrets
import struct
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from lamina.blobs import BlobDamaged

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
SALT_BYTES = 16
TAG_BYTES = 16

_NONCE_BYTES = 12
_LABEL = b"lamina message key 1"


class SealBroken(BlobDamaged):
    """What was sealed is damaged, or belongs to something else than what it was opened for."""


def encrypt(key: bytes, plaintext: bytes, bound: bytes) -> bytes:
    """``plaintext`` encrypted and authenticated together with ``bound``: salt, nonce, ciphertext, tag."""
    salt, nonce = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(_NONCE_BYTES)
    return salt + nonce + aes_gcm(message_key(key, salt)).encrypt(nonce, plaintext, bound)


def decrypt(key: bytes, encrypted: bytes, bound: bytes) -> bytes:
    """What was given to ``encrypt``. Raises ``SealBroken`` when any bit of it or of ``bound`` is another."""
    from cryptography.exceptions import InvalidTag

    body = SALT_BYTES + _NONCE_BYTES
    if len(encrypted) < body + TAG_BYTES:
        raise SealBroken(f"{len(encrypted)} bytes are too few to be encrypted content")
    salt, nonce = encrypted[:SALT_BYTES], encrypted[SALT_BYTES:body]
    try:
        return aes_gcm(message_key(key, salt)).decrypt(nonce, encrypted[body:], bound)
    except InvalidTag:
        raise SealBroken("the content is not what was encrypted, or the key or context is another") from None


def message_key(key: bytes, salt: bytes) -> bytes:
    """The key of one message."""
    return hmac.digest(key, _LABEL + salt, "sha256")


def aes_gcm(key: bytes) -> AESGCM:
    """The cipher under a key; ``cryptography`` is loaded the first time."""
    return _implementation()(key)


def packed_context(context: Mapping[str, str]) -> bytes:
    """An encryption context as bytes; no two contexts are the same bytes, and the order of the pairs is none."""
    texts = (text.encode() for pair in sorted(context.items()) for text in pair)
    return b"".join(struct.pack(">I", len(text)) + text for text in texts)


@cache
def _implementation() -> type[AESGCM]:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM
