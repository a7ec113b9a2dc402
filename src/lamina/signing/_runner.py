"""The work of signing jobs: read the object, sign it, write it to where it is wanted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from lamina.errors import ServiceError
from lamina.objects import ObjectLocation
from lamina.signing._authority import Authority, AuthorityError
from lamina.signing._claims import Signature
from lamina.signing._content import AlreadySigned, Digests, add_signature, digests_to_sign
from lamina.signing._objects import ObjectStore
from lamina.signing._records import ACTIVE, Job, ProfileVersion, find_version, finish_job, unfinished_jobs
from lamina.signing._validity import expiry
from lamina.signing._zip import LARGEST, BadZip
from lamina.state import Reader, State, StateError

_LOG = logging.getLogger(__name__)
_AT_ONCE = 2  # each holds a package of up to 250 MiB in memory, and its signed copy
_AGAIN_SECONDS = 5.0


class JobFailed(Exception):
    """The job cannot be done; the message is its StatusReason."""


def claims_of(job: Job, version: ProfileVersion, now: datetime) -> Signature:
    """What the signature of a job says, made now. Times have milliseconds."""
    signed_at = now.replace(microsecond=now.microsecond // 1000 * 1000)
    return Signature(
        profile_version_arn=version.version_arn,
        job_arn=job.arn,
        signed_at=signed_at,
        expires_at=expiry(signed_at, version.validity),
    )


class JobRunner:
    """Does jobs, a few at once, each to its end: Succeeded, or Failed with a reason.

    A job that the end of the server interrupts is done again from its beginning by ``recover``: it reads the same
    version of the same object and writes to the same key.
    """

    def __init__(self, state: State, authority: Authority, objects: ObjectStore, now: Callable[[], datetime]) -> None:
        self._state = state
        self._authority = authority
        self._objects = objects
        self._now = now
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._running: dict[str, asyncio.Task[None]] = {}

    async def recover(self) -> None:
        """Start the jobs that an earlier run has left."""
        for job in await self._state.read(unfinished_jobs):
            self.start(job)

    def start(self, job: Job) -> None:
        """Start a job that is in the state, unless it is running."""
        if job.job_id not in self._running:
            task = asyncio.get_running_loop().create_task(self._run(job))
            self._running[job.job_id] = task
            task.add_done_callback(lambda _: self._running.pop(job.job_id, None))

    async def wait(self, job_id: str, seconds: float) -> None:
        """Wait until a job has ended, for a while."""
        task = self._running.get(job_id)
        if task is not None:
            await asyncio.wait([task], timeout=seconds)

    async def close(self) -> None:
        """Stop. What is not done stays InProgress for the next start."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, job: Job) -> None:
        expires, reason = None, None
        try:
            async with self._turns:
                expires = await self._do(job)
        except (JobFailed, ServiceError) as failure:
            reason = str(failure)
        except Exception:
            _LOG.exception("the signing job %s failed inside", job.arn)
            reason = "The service encountered an internal error."
        await self._finish(job, expires, reason)

    async def _do(self, job: Job) -> datetime:
        assert job.source is not None
        assert job.signed is not None
        bucket, key, object_version = job.source
        version = await self._state.read(lambda reader: _signing_version(reader, job))
        location = ObjectLocation(
            bucket=bucket, key=key, version=object_version, region=job.region, account_id=job.invoker
        )
        data = await self._objects.read(location, LARGEST)
        claims = claims_of(job, version, self._now())
        signed = await asyncio.to_thread(self._signed, data, claims)
        await self._objects.write(job.signed[0], job.signed[1], signed)
        return claims.expires_at

    def _signed(self, data: bytes, claims: Signature) -> bytes:
        view = memoryview(data)
        try:
            digests: Digests = digests_to_sign(view)
            return add_signature(view, self._authority.sign(claims, digests))
        except AlreadySigned:
            raise JobFailed("The object is signed already.") from None
        except BadZip as error:
            raise JobFailed(f"The object is not a zip file that can be signed: {error}.") from error
        except AuthorityError as error:
            _LOG.error("%s", error)
            raise JobFailed("The signing keys of the server cannot be used.") from error

    async def _finish(self, job: Job, expires: datetime | None, reason: str | None) -> None:
        if reason is not None:
            _LOG.info("the signing job %s failed: %s", job.arn, reason)
        while True:
            try:
                await self._state.write(
                    lambda transaction: finish_job(transaction, job.job_id, self._now(), expires=expires, reason=reason)
                )
            except StateError as error:  # such as a full disk, for a while
                _LOG.error("the end of the signing job %s cannot be stored yet: %s", job.arn, error)
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                return


def _signing_version(reader: Reader, job: Job) -> ProfileVersion:
    version = find_version(reader, job.account_id, job.region, job.profile_name, job.profile_version)
    if version is None or version.status != ACTIVE:
        raise JobFailed("The signing profile is not active any more.")
    return version
