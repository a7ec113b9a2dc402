"""Which keys may sign requests: the configured ones, the well-known pair on loopback, a real pair beyond it."""

from __future__ import annotations

import json
import os
import secrets
import string
from collections.abc import Callable
from pathlib import Path

from lamina.settings import AccessKey, Settings, SettingsError

_WELL_KNOWN = "test"
_ALPHABET = string.ascii_uppercase + "234567"
_FILE = "credentials.json"


class KeyRing:
    """Finds the key of an access key id.

    On loopback the pair ``test``/``test`` belongs to the configured account, and twelve digits with the secret
    ``test`` to the account of that number; with ``--auth off`` any key id will do. Beyond loopback none of this
    works; a real pair is made at the first start and kept in the data folder.
    """

    def __init__(self, settings: Settings) -> None:
        self._account_id = settings.account_id
        self._loopback = settings.loopback
        self._anyone = not settings.auth
        self._keys = {key.access_key_id: key for key in settings.keys}
        self._secrets = {name: key for name, key in self._keys.items() if key.secret_access_key != _WELL_KNOWN}
        if not self._loopback:
            self._check(settings)

    def find(self, access_key_id: str) -> AccessKey | None:
        """The key, or None for one that nobody knows."""
        key = self._keys.get(access_key_id)
        if key is None and self._loopback:
            key = self._well_known(access_key_id)
            if key is not None and len(self._keys) < 1024:
                self._keys[access_key_id] = key
        return key

    def find_secret(self, access_key_id: str) -> AccessKey | None:
        """The key, if its secret is one: no pair that everybody knows, nor whatever was given with ``--auth off``."""
        return self._secrets.get(access_key_id)

    def open(self, data: Path, announce: Callable[[AccessKey], None]) -> None:
        """Beyond loopback and without configured keys: load the server's own pair, made and announced once."""
        if self._loopback or self._keys:
            return
        path = data / _FILE
        if path.exists():
            key = AccessKey(**json.loads(path.read_text()))
        else:
            key = self._make(path)
            announce(key)
        self._keys[key.access_key_id] = self._secrets[key.access_key_id] = key

    def _check(self, settings: Settings) -> None:
        if not settings.auth:
            raise SettingsError(f"--auth off is for loopback only, and {settings.host} is not")
        if any(key.secret_access_key == _WELL_KNOWN for key in settings.keys):
            raise SettingsError(f"the secret key 'test' is for loopback only, and {settings.host} is not")

    def _well_known(self, access_key_id: str) -> AccessKey | None:
        if access_key_id == _WELL_KNOWN:
            account_id = self._account_id
        elif len(access_key_id) == 12 and access_key_id.isascii() and access_key_id.isdigit():
            account_id = access_key_id
        elif self._anyone:
            account_id = self._account_id
        else:
            return None
        return AccessKey(access_key_id=access_key_id, secret_access_key=_WELL_KNOWN, account_id=account_id)

    def _make(self, path: Path) -> AccessKey:
        key = AccessKey(
            access_key_id="AKIA" + "".join(secrets.choice(_ALPHABET) for _ in range(16)),
            secret_access_key=secrets.token_urlsafe(30),
            account_id=self._account_id,
        )
        temporary = path.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(
                {"access_key_id": key.access_key_id, "secret_access_key": key.secret_access_key}
                | {"account_id": key.account_id},
                file,
            )
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        return key
