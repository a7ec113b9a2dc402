"""The operations that encrypt, decrypt and make keys for others to encrypt with."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import DryRunOperationException, IncorrectKeyException, ValidationException
from lamina.kms._ciphertext import decrypt_with, encrypt_under, origin_of, unknown_key
from lamina.kms._members import Answer, Params, check_algorithm, check_tokens, context_of, refuse
from lamina.kms._records import ALGORITHM, Key
from lamina.kms._store import Caller, KeyStore, caller_of, check_usable, check_use
from lamina.state import Reader

if TYPE_CHECKING:
    from lamina.functions import Call

_SPEC_BYTES = {"AES_256": 32, "AES_128": 16}


class Opened(NamedTuple):
    """What a ciphertext was made with and of."""

    key: Key
    material_id: str
    plaintext: bytes


async def encrypt(store: KeyStore, call: Call, params: Params) -> Answer:
    """Encrypt: at most 4096 bytes, which the service model says."""
    _check(params)
    check_algorithm(params)
    caller = caller_of(call, context_of(params))

    def work(reader: Reader) -> Answer:
        key = usable(store, reader, caller, params["KeyId"], "Encrypt")
        check_dry_run(params)
        blob = encrypt_under(store, reader, key, params["Plaintext"], caller.context)
        return {"CiphertextBlob": blob, "KeyId": key.arn, "EncryptionAlgorithm": ALGORITHM}

    return await _on(store, call, params["KeyId"], work)


async def decrypt(store: KeyStore, call: Call, params: Params) -> Answer:
    """Decrypt: the ciphertext says with which key; a KeyId is checked against it."""
    _check(params)
    check_algorithm(params)
    caller = caller_of(call, context_of(params))

    def work(reader: Reader) -> Answer:
        opened = open_ciphertext(store, reader, caller, _ciphertext(params), params.get("KeyId"), "Decrypt")
        check_dry_run(params)
        return {
            "KeyId": opened.key.arn,
            "Plaintext": opened.plaintext,
            "EncryptionAlgorithm": ALGORITHM,
            "KeyMaterialId": opened.material_id,
        }

    return await _on(store, call, params.get("KeyId"), work)


async def re_encrypt(store: KeyStore, call: Call, params: Params) -> Answer:
    """ReEncrypt: under another key or context, and the plaintext never leaves."""
    _check(params)
    check_algorithm(params, "SourceEncryptionAlgorithm")
    check_algorithm(params, "DestinationEncryptionAlgorithm")
    source = caller_of(call, context_of(params, "SourceEncryptionContext"))
    destination = caller_of(call, context_of(params, "DestinationEncryptionContext"))

    def work(reader: Reader) -> Answer:
        opened = open_ciphertext(store, reader, source, _ciphertext(params), params.get("SourceKeyId"), "ReEncryptFrom")
        key = usable(store, reader, destination, params["DestinationKeyId"], "ReEncryptTo")
        check_dry_run(params)
        return {
            "CiphertextBlob": encrypt_under(store, reader, key, opened.plaintext, destination.context),
            "SourceKeyId": opened.key.arn,
            "KeyId": key.arn,
            "SourceEncryptionAlgorithm": ALGORITHM,
            "DestinationEncryptionAlgorithm": ALGORITHM,
            "SourceKeyMaterialId": opened.material_id,
            "DestinationKeyMaterialId": key.material_id,
        }

    return await _on(store, call, params["DestinationKeyId"], work)


async def generate_data_key(store: KeyStore, call: Call, params: Params) -> Answer:
    """GenerateDataKey."""
    return await _data_key(store, call, params, "GenerateDataKey")


async def generate_data_key_without_plaintext(store: KeyStore, call: Call, params: Params) -> Answer:
    """GenerateDataKeyWithoutPlaintext."""
    answer = await _data_key(store, call, params, "GenerateDataKeyWithoutPlaintext")
    del answer["Plaintext"]
    return answer


async def generate_random(_store: KeyStore, _call: Call, params: Params) -> Answer:
    """GenerateRandom."""
    refuse(params, "CustomKeyStoreId", "Recipient")
    if "NumberOfBytes" not in params:
        raise ValidationException("NumberOfBytes is required.")
    return {"Plaintext": secrets.token_bytes(params["NumberOfBytes"])}


def usable(store: KeyStore, reader: Reader, caller: Caller, name: str, action: str) -> Key:
    """The key that a request names, if the caller may use it and its state allows that."""
    key = store.need(reader, caller, name, action)
    check_usable(key)
    return key


def open_ciphertext(
    store: KeyStore, reader: Reader, caller: Caller, ciphertext: bytes, name: str | None, action: str
) -> Opened:
    """Decrypt for a caller. ``name`` is the key that the ciphertext must be of, None for any.

    Raises InvalidCiphertextException, IncorrectKeyException, AccessDeniedException and the errors of the key's state.
    """
    origin = origin_of(store, ciphertext)
    if name is not None and store.need(reader, caller, name, action).key_id != origin.key_id:
        raise IncorrectKeyException(
            "The key ID in the request does not identify a CMK that can perform this operation."
        )
    key = store.find_anywhere(reader, caller.region, origin.key_id)
    if key is None:
        raise unknown_key()
    check_use(key, caller, action)
    check_usable(key)
    plaintext = decrypt_with(store, reader, ciphertext, caller.context)
    return Opened(key, origin.material_id, plaintext)


def check_dry_run(params: Params) -> None:
    """Raise DryRunOperationException where everything but the work itself is done."""
    if params.get("DryRun"):
        raise DryRunOperationException("The request would have succeeded, but the DryRun parameter is set.")


async def _data_key(store: KeyStore, call: Call, params: Params, action: str) -> Answer:
    _check(params)
    size = _size(params)
    caller = caller_of(call, context_of(params))

    def work(reader: Reader) -> Answer:
        key = usable(store, reader, caller, params["KeyId"], action)
        check_dry_run(params)
        plaintext = secrets.token_bytes(size)
        blob = encrypt_under(store, reader, key, plaintext, caller.context)
        return {"CiphertextBlob": blob, "Plaintext": plaintext, "KeyId": key.arn, "KeyMaterialId": key.material_id}

    return await _on(store, call, params["KeyId"], work)


def _size(params: Params) -> int:
    number, spec = params.get("NumberOfBytes"), params.get("KeySpec")
    if (number is None) == (spec is None):
        raise ValidationException("Please specify either number of bytes or key spec.")
    return number if number is not None else _SPEC_BYTES[str(spec)]


def _ciphertext(params: Params) -> bytes:
    blob: bytes | None = params.get("CiphertextBlob")
    if blob is None:
        raise ValidationException(
            "1 validation error detected: Value null at 'ciphertextBlob' failed to satisfy constraint: "
            "Member must not be null"
        )
    return blob


def _check(params: Params) -> None:
    check_tokens(params)
    refuse(params, "Recipient", "DryRunModifiers")


async def _on(store: KeyStore, call: Call, name: str | None, work: Callable[[Reader], Answer]) -> Answer:
    if name is not None:
        await store.ensure_lambda_key(name, call.account_id, call.region)
    answer: Answer = await store.state.read(work)
    return answer
