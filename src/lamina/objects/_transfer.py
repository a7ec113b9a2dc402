"""One object on its way into a file, in as many requests as it takes. All of this blocks."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from typing import Any, BinaryIO

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    ParamValidationError,
)
from botocore.parsers import ResponseParserError

from lamina.errors import InvalidParameterValueException, ServiceError
from lamina.objects._aside import Stopped
from lamina.objects._interface import ObjectLocation, StoredObject
from lamina.objects._refusals import is_passing, refusal, too_large, unreachable

_LOG = logging.getLogger(__name__)
TRIES = 5
LONGEST_SECONDS = 300.0
_PAUSE = 0.1
_CHUNK = 1 << 20
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
# ResponseParserError is what botocore makes of an answer that is not S3's XML.
_BROKEN = (ConnectionError, HTTPClientError, IncompleteReadError, FlexibleChecksumError, ResponseParserError)


class Broken(Exception):
    """The store has broken its word: what it sends is not what it announced."""


def persist(call: Callable[[], Any], operation: str, stop: threading.Event, version: str | None = None) -> Any:
    """``call`` again while the store only fails in passing; its lasting refusals are raised in Lambda's words."""
    ends = time.monotonic() + LONGEST_SECONDS
    for attempt in range(TRIES):
        try:
            return call()
        except ClientError as error:
            if not is_passing(error.response):
                raise _refused(error, operation, version) from None
            cause: Exception = error
        except (*_BROKEN, Broken) as error:
            cause = error
        except (ParamValidationError, BotoCoreError) as error:
            # Missing credentials, a broken profile, a name that no bucket can have.
            raise InvalidParameterValueException(f"Error occurred while {operation}. {error}") from None
        _LOG.debug("%s: attempt %d of %d failed: %r", operation, attempt + 1, TRIES, cause)
        if attempt + 1 == TRIES or time.monotonic() > ends:
            break
        if stop.wait(_PAUSE * 2**attempt):
            raise Stopped
    raise unreachable(operation, repr(cause))


def _refused(error: ClientError, operation: str, version: str | None) -> ServiceError:
    said = error.response.get("Error", {})
    code = str(said.get("Code", "Unknown"))
    if code == "301":
        # Without a body botocore has no more than the status.
        code = "PermanentRedirect"
    return refusal(code, str(said.get("Message", "")), operation=operation, version=version)


class Transfer:
    """Reads one object into ``sink``, which must be empty and seekable."""

    def __init__(
        self, get: Callable[..., Any], location: ObjectLocation, sink: BinaryIO, most: int, stop: threading.Event
    ) -> None:
        self._get = get
        self._location = location
        self._sink = sink
        self._most = most
        self._stop = stop
        self._received = 0
        self._size: int | None = None
        self._etag = ""
        self._version: str | None = None
        self._ends = time.monotonic() + LONGEST_SECONDS

    def run(self) -> StoredObject:
        """Read it. Raises the errors of ``ObjectStore``, or ``Stopped``."""
        persist(self._attempt, "GetObject", self._stop, self._location.version)
        return StoredObject(
            bucket=self._location.bucket,
            key=self._location.key,
            version=self._version,
            etag=self._etag,
            size=self._received,
        )

    def _attempt(self) -> None:
        answer = self._ask()
        try:
            self._receive(answer["Body"])
        except FlexibleChecksumError:
            self._restart()
            raise
        finally:
            answer["Body"].close()
        if self._size is not None and self._received != self._size:
            raise Broken(f"{self._received} bytes of {self._size} arrived")

    def _ask(self) -> Any:
        if not self._received or not self._etag:
            self._restart()
            return self._begun(self._request())
        try:
            answer = self._request(Range=f"bytes={self._received}-", IfMatch=self._etag)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in {412, 416}:
                self._restart()
                raise Broken("it has become another object meanwhile") from None
            raise
        if answer["ResponseMetadata"]["HTTPStatusCode"] != 206:
            # A store that knows no ranges begins anew.
            self._restart()
            return self._begun(answer)
        self._check_continued(answer)
        return answer

    def _request(self, **members: str) -> Any:
        if self._location.version is not None:
            members["VersionId"] = self._location.version
        return self._get(Bucket=self._location.bucket, Key=self._location.key, **members)

    def _begun(self, answer: Any) -> Any:
        self._size = answer.get("ContentLength")
        self._etag = answer.get("ETag", "")
        version = answer.get("VersionId")
        self._version = None if version == "null" else version
        if self._size is not None and self._size > self._most:
            answer["Body"].close()
            raise too_large(self._most)
        return answer

    def _check_continued(self, answer: Any) -> None:
        match = _RANGE.fullmatch(answer.get("ContentRange", ""))
        same = match is not None and int(match[1]) == self._received and self._size in {None, int(match[3])}
        if not same or answer.get("ETag") != self._etag:
            answer["Body"].close()
            self._restart()
            raise Broken("what it sends does not continue what it had sent")

    def _receive(self, body: Any) -> None:
        while chunk := body.read(_CHUNK):
            if self._stop.is_set():
                raise Stopped
            if time.monotonic() > self._ends:
                raise unreachable("GetObject", f"it has taken longer than {LONGEST_SECONDS:.0f} s")
            if self._received + len(chunk) > self._most:
                raise too_large(self._most)
            self._sink.write(chunk)
            self._received += len(chunk)

    def _restart(self) -> None:
        self._sink.seek(0)
        self._sink.truncate()
        self._received = 0
