"""The master key of a data folder: all encryption at rest hangs on it."""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path
from typing import Self

from lamina.disk import flush_folder
from lamina.kms._cipher import KEY_BYTES
from lamina.state import State

_FILE = "master.key"
_FINGERPRINT = "fingerprint"


class MasterKeyError(Exception):
    """The master key is missing, is another one or cannot be read; the message is one line for the user."""


class MasterKey:
    """32 random bytes in ``<data>/master.key``, readable by the server's user only.

    The key is used through subkeys, one for each purpose. The state keeps a fingerprint of it from before the first
    use on: a key that is missing then is an error and never made anew, for what it has encrypted would be lost.
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_BYTES:
            raise ValueError("a master key has 32 bytes")
        self._secret = secret

    @classmethod
    async def open(cls, data: Path, state: State) -> Self:
        """Read the key, or make it in a folder that never had one. Raises ``MasterKeyError``.

        The file is small and read once, at the start of the server.
        """
        path = data / _FILE
        row = await state.read(lambda reader: reader.one("kms_master"))
        if row is None:
            key = cls(_read(path) if path.exists() else _make(path))
            await state.write(lambda transaction: transaction.run("kms_master_save", fingerprint=key.fingerprint))
            return key
        if not path.exists():
            raise MasterKeyError(f"the master key {path} is missing, and encrypted data needs it: restore the file")
        key = cls(_read(path))
        if not hmac.compare_digest(key.fingerprint, row["fingerprint"]):
            raise MasterKeyError(f"{path} is not the master key of this data folder: restore the right file")
        return key

    @property
    def fingerprint(self) -> str:
        """What tells this key from others and gives nothing of it away."""
        return self.subkey(_FINGERPRINT).hex()

    def subkey(self, purpose: str) -> bytes:
        """The key for one purpose; nothing can be concluded from it about the others."""
        return hmac.digest(self._secret, b"lamina " + purpose.encode(), "sha256")


def _read(path: Path) -> bytes:
    try:
        mode, secret = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise MasterKeyError(f"the master key {path} cannot be read: {error.strerror}") from None
    if mode & 0o077:
        raise MasterKeyError(f"others may read the master key {path}: its mode must be 0600")
    if len(secret) != KEY_BYTES:
        raise MasterKeyError(f"{path} is no master key: it has {len(secret)} bytes, not {KEY_BYTES}")
    return secret


def _make(path: Path) -> bytes:
    secret = secrets.token_bytes(KEY_BYTES)
    temporary = path.with_suffix(".new")
    try:
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        flush_folder(path.parent)
    except OSError as error:
        raise MasterKeyError(f"the master key {path} cannot be made: {error.strerror}") from None
    return secret
