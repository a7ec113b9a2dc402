"""The ``KeyService`` of a real KMS, reached through boto3 with the server's own credentials."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from lamina.errors import ServiceError
from lamina.kms._cipher import KEY_BYTES
from lamina.kms._failures import cannot_decrypt, cannot_encrypt, unreachable
from lamina.kms._identifiers import region_of
from lamina.kms._interface import DataKey, KeyUser

T = TypeVar("T")

_LOG = logging.getLogger(__name__)
_MOST_AT_ONCE = 8
_LARGEST_BLOB = 6144
_TRANSIENT = frozenset(
    {
        "DependencyTimeoutException",
        "KMSInternalException",
        "KeyUnavailableException",
        "LimitExceededException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "Throttling",
        "ThrottlingException",
    }
)

Failure = Callable[[str, str | None, str], ServiceError]


class _Nonsense(Exception):
    """The answer is not one of KMS."""


class RemoteKms:
    """Data keys under the keys of the KMS at ``endpoint``.

    A call is tried twice; it has ``connect_seconds`` and ``read_seconds`` each time, and ``seconds`` in all. Calls run
    in threads of their own, at most eight at once, that do not keep the process alive: no answer of KMS, however slow,
    holds up anything else.
    """

    def __init__(
        self, endpoint: str, *, connect_seconds: float = 2.0, read_seconds: float = 5.0, seconds: float = 15.0
    ) -> None:
        self._endpoint = endpoint
        self._timeouts = (connect_seconds, read_seconds)
        self._seconds = seconds
        self._clients: dict[str, Any] = {}
        self._making = threading.Lock()
        self._places = asyncio.Semaphore(_MOST_AT_ONCE)

    async def data_key(self, key_arn: str, context: Mapping[str, str], user: KeyUser) -> DataKey:
        """See ``KeyService.data_key``."""

        def work() -> DataKey:
            answer = self._client(key_arn).generate_data_key(
                KeyId=key_arn, KeySpec="AES_256", EncryptionContext=dict(context)
            )
            arn = answer.get("KeyId")
            if not isinstance(arn, str) or ":key/" not in arn:
                raise _Nonsense("no key ARN")
            return DataKey(plaintext=_key(answer), wrapped=_blob(answer), key_arn=arn)

        return await self._call(work, user, cannot_encrypt)

    async def unwrap(self, wrapped: bytes, key_arn: str, context: Mapping[str, str], user: KeyUser) -> bytes:
        """See ``KeyService.unwrap``."""

        def work() -> bytes:
            return _key(
                self._client(key_arn).decrypt(CiphertextBlob=wrapped, KeyId=key_arn, EncryptionContext=dict(context))
            )

        return await self._call(work, user, cannot_decrypt)

    async def _call(self, work: Callable[[], T], user: KeyUser, failure: Failure) -> T:
        try:
            async with asyncio.timeout(self._seconds):
                await self._places.acquire()
                return await _in_daemon_thread(lambda: self._answer(work, user, failure), self._places.release)
        except TimeoutError:
            _LOG.warning("KMS at %s did not answer within %g seconds", self._endpoint, self._seconds)
            raise unreachable(user.subject) from None

    def _answer(self, work: Callable[[], T], user: KeyUser, failure: Failure) -> T:
        from botocore.exceptions import ClientError

        try:
            return work()
        except ServiceError as error:
            raise failure(error.code, error.message, user.subject) from None
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
            code = str(error.response.get("Error", {}).get("Code", ""))
            if status < 500 and code not in _TRANSIENT and code.isalpha():
                raise failure(code, error.response["Error"].get("Message"), user.subject) from None
            _LOG.warning("KMS at %s failed: %s", self._endpoint, error)
        except Exception as error:
            # Whatever botocore makes of a dead connection, missing credentials or an answer that is not of KMS.
            _LOG.warning("KMS at %s cannot be used: %s: %s", self._endpoint, type(error).__name__, error)
        raise unreachable(user.subject)

    def _client(self, key_arn: str) -> Any:
        region = region_of(key_arn)
        with self._making:
            if region not in self._clients:
                self._clients[region] = self._make(region)
            return self._clients[region]

    def _make(self, region: str) -> Any:
        import boto3
        from botocore.config import Config

        connect, read = self._timeouts
        config = Config(
            connect_timeout=connect,
            read_timeout=read,
            retries={"total_max_attempts": 2, "mode": "standard"},
            max_pool_connections=_MOST_AT_ONCE,
            parameter_validation=False,
        )
        session = boto3.session.Session()
        return session.client("kms", endpoint_url=self._endpoint, region_name=region, config=config)


def _key(answer: Mapping[str, Any]) -> bytes:
    plaintext = answer.get("Plaintext")
    if not isinstance(plaintext, bytes) or len(plaintext) != KEY_BYTES:
        raise _Nonsense(f"no plaintext of {KEY_BYTES} bytes")
    return plaintext


def _blob(answer: Mapping[str, Any]) -> bytes:
    blob = answer.get("CiphertextBlob")
    if not isinstance(blob, bytes) or not 0 < len(blob) <= _LARGEST_BLOB:
        raise _Nonsense("no ciphertext")
    return blob


async def _in_daemon_thread(work: Callable[[], T], done: Callable[[], None]) -> T:
    """Run ``work``; ``done`` is called in the loop when it has ended, whoever still waits for it."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: Exception | None) -> None:
        done()
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, failure = None, None
        try:
            result = work()
        except Exception as error:
            failure = error
        try:
            loop.call_soon_threadsafe(settle, result, failure)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more

    threading.Thread(target=run, name="kms", daemon=True).start()
    return await future
