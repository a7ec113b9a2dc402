"""The ciphertext blobs of KMS: opaque to clients, and enough for Decrypt without a KeyId.

A version, the key id (16 bytes), the material id (32), a check of these (16), and the encrypted content.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID

from lamina.errors import AccessDeniedException, InvalidCiphertextException
from lamina.kms._cipher import SealBroken, decrypt, encrypt, packed_context
from lamina.kms._records import Key
from lamina.kms._store import KeyStore
from lamina.state import Reader

_HEAD = struct.Struct(">B16s32s")
_CHECK_BYTES = 16
_VERSION = 1


class Origin(NamedTuple):
    """The key and material that a ciphertext was made with."""

    key_id: str
    material_id: str


def encrypt_under(store: KeyStore, reader: Reader, key: Key, plaintext: bytes, context: Mapping[str, str]) -> bytes:
    """A ciphertext blob under the key's newest material."""
    head = _HEAD.pack(_VERSION, UUID(key.key_id).bytes, bytes.fromhex(key.material_id))
    material = store.material(reader, key.key_id, key.material_id)
    assert material is not None
    return head + _check(store, head) + encrypt(material, plaintext, head + packed_context(context))


def origin_of(store: KeyStore, ciphertext: bytes) -> Origin:
    """What the ciphertext was made with. Raises InvalidCiphertextException for what this KMS has not made."""
    head, check = ciphertext[: _HEAD.size], ciphertext[_HEAD.size : _HEAD.size + _CHECK_BYTES]
    if len(head) < _HEAD.size or head[0] != _VERSION or not hmac.compare_digest(check, _check(store, head)):
        raise InvalidCiphertextException(None)
    _, key_id, material_id = _HEAD.unpack(head)
    return Origin(str(UUID(bytes=key_id)), material_id.hex())


def decrypt_with(store: KeyStore, reader: Reader, ciphertext: bytes, context: Mapping[str, str]) -> bytes:
    """The plaintext. Raises InvalidCiphertextException when it or the encryption context was changed."""
    origin = origin_of(store, ciphertext)
    material = store.material(reader, *origin)
    if material is None:
        raise unknown_key()
    head, body = ciphertext[: _HEAD.size], ciphertext[_HEAD.size + _CHECK_BYTES :]
    try:
        return decrypt(material, body, head + packed_context(context))
    except SealBroken:
        raise InvalidCiphertextException(None) from None


def unknown_key() -> AccessDeniedException:
    """The answer for a ciphertext whose key is gone, or another account's or Region's."""
    return AccessDeniedException(
        "The ciphertext refers to a customer master key that does not exist, does not exist in this region, "
        "or you are not allowed to access."
    )


def _check(store: KeyStore, head: bytes) -> bytes:
    return hmac.digest(store.headers, head, "sha256")[:_CHECK_BYTES]
