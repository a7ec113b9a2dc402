"""Temporary keys that need no memory: the token says whose they are, and the server's key proves that it wrote it.

A token is a text of claims and a MAC over it; the secret key is another MAC over the same text. So whoever has the
server's key can make and check them, after a restart too, and nothing has to be kept, found or removed.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import time
from collections.abc import Callable
from functools import lru_cache

import orjson

from lamina.errors import ExpiredTokenException
from lamina.settings import TemporaryKey

PREFIX = "ASIA"
_MAC_BYTES = 32
_SECRET_CHARACTERS = 40
_LONGEST_TOKEN = 4096
_ACCOUNT_BYTES = _NONCE_BYTES = 5
_KNOWN = 1024


class Sessions:
    """Makes and recognises the temporary keys of one server, or of all that have the same ``secret``."""

    def __init__(self, secret: bytes, now: Callable[[], float] = time.time) -> None:
        """``now`` tells epoch seconds."""
        self._signing = hmac.digest(secret, b"session token", "sha256")
        self._naming = hmac.digest(secret, b"secret access key", "sha256")
        self._now = now
        self._read = lru_cache(maxsize=_KNOWN)(self._opened)

    def issue(self, *, account_id: str, seconds: int, role: str = "", session: str = "") -> TemporaryKey:
        """New keys for the account, valid for so many ``seconds``: for a role's ARN, or for the account itself."""
        expires = int(self._now()) + seconds
        access_key_id = _name(account_id)
        claims = orjson.dumps([access_key_id, account_id, role, session, expires])
        token = base64.b64encode(claims + hmac.digest(self._signing, claims, "sha256")).decode()
        return self._key(claims, token)

    def find(self, access_key_id: str, token: str | None) -> TemporaryKey | None:
        """The keys that belong to both, or None when this server has not made them together.

        Raises ``ExpiredTokenException``.
        """
        if token is None or not access_key_id.startswith(PREFIX) or len(token) > _LONGEST_TOKEN:
            return None
        try:
            key = self._read(token)
        except ValueError:
            return None
        if key.access_key_id != access_key_id:
            return None
        if key.expires <= self._now():
            raise ExpiredTokenException("The security token included in the request is expired")
        return key

    def _opened(self, token: str) -> TemporaryKey:
        """Raises ``ValueError``, which no cache keeps."""
        try:
            packed = base64.b64decode(token, validate=True)
        except binascii.Error as error:
            raise ValueError("not Base64") from error
        claims, mac = packed[:-_MAC_BYTES], packed[-_MAC_BYTES:]
        if not hmac.compare_digest(hmac.digest(self._signing, claims, "sha256"), mac):
            raise ValueError("not of this server")
        return self._key(claims, token)

    def _key(self, claims: bytes, token: str) -> TemporaryKey:
        access_key_id, account_id, role, session, expires = orjson.loads(claims)
        secret = base64.b64encode(hmac.digest(self._naming, claims, "sha256")).decode()
        return TemporaryKey(
            access_key_id=access_key_id,
            secret_access_key=secret[:_SECRET_CHARACTERS],
            account_id=account_id,
            session_token=token,
            expires=expires,
            role=role,
            session=session,
        )


def account_of(access_key_id: str) -> str | None:
    """The account that is written in the name of temporary keys, as GetAccessKeyInfo tells it; None if none is."""
    try:
        packed = base64.b32decode(access_key_id.removeprefix(PREFIX))
    except binascii.Error:
        return None
    account = f"{int.from_bytes(packed[:_ACCOUNT_BYTES]):012}"
    is_ours = access_key_id.startswith(PREFIX) and len(packed) == _ACCOUNT_BYTES + _NONCE_BYTES
    return account if is_ours and len(account) == 12 else None


def _name(account_id: str) -> str:
    packed = int(account_id).to_bytes(_ACCOUNT_BYTES) + secrets.token_bytes(_NONCE_BYTES)
    return PREFIX + base64.b32encode(packed).decode()
