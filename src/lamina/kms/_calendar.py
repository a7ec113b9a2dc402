"""What keys have to wait for: their end, and their rotation."""

from __future__ import annotations

import asyncio
import logging
import math

from lamina.kms._rotation import rotate_due
from lamina.kms._store import KeyStore
from lamina.state import StateError, Transaction

_LOG = logging.getLogger(__name__)
_LONGEST_SECONDS = 3600.0


class Calendar:
    """Destroys keys whose waiting time is over, and gives new material to those whose rotation is due.

    A key is gone for everybody from its moment on; here its material is overwritten and its rows are removed.
    """

    def __init__(self, store: KeyStore) -> None:
        self._store = store
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Do what became due while nothing ran, and wait for the rest."""
        await self.keep()
        self._wait(await self._milliseconds_left() / 1000)

    async def close(self) -> None:
        """Wait for nothing more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        if self._timer is not None:
            self._timer.cancel()

    async def keep(self) -> None:
        """Do everything that is due now."""
        if await self._milliseconds_left() <= 0:
            await self._store.state.write(self._work)

    def _work(self, transaction: Transaction) -> None:
        for row in transaction.all("kms_keys_to_destroy", now_ms=self._store.now_ms()):
            transaction.run("kms_material_erase", key_id=row["key_id"])
            transaction.run("kms_key_delete", key_id=row["key_id"])
            _LOG.info("the KMS key %s is destroyed", row["key_id"])
        rotate_due(self._store, transaction)

    async def _milliseconds_left(self) -> float:
        row = await self._store.state.read(lambda reader: reader.one("kms_next_due"))
        due_ms: int | None = None if row is None else row["due_ms"]
        return math.inf if due_ms is None else due_ms - self._store.now_ms()

    def _wait(self, seconds: float) -> None:
        # A key is scheduled for a week from now at the earliest: it comes into view in one of these hours.
        seconds = min(max(seconds, 0.0), _LONGEST_SECONDS)
        self._timer = asyncio.get_running_loop().call_later(seconds, self._wake)

    def _wake(self) -> None:
        self._task = asyncio.create_task(self._keep_and_wait())

    async def _keep_and_wait(self) -> None:
        try:
            await self.keep()
            self._wait(await self._milliseconds_left() / 1000)
        except StateError as error:
            _LOG.warning("keys that are due for deletion or rotation have to wait: %s", error)
            self._wait(_LONGEST_SECONDS)
