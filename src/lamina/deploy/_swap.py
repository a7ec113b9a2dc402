"""Swap: the one commit after which invocations run the new code."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

from lamina.deploy._interface import Ledger, Unfinished
from lamina.deploy._step import Steps
from lamina.errors import VersionUnavailable
from lamina.state import State

if TYPE_CHECKING:
    from lamina.functions import Cutover

_log = logging.getLogger("lamina.deploy")

INTERNAL_ERROR = "An internal error occurred during the deployment. See the log of the server."


class Swap:
    """The second half of a deployment, after its acceptance: to serve, or to fail with a reason."""

    def __init__(self, *, state: State, cutover: Cutover, ledger: Ledger) -> None:
        self._state = state
        self._cutover = cutover
        self._ledger = ledger

    async def settle(self, deployment: Unfinished, due: float, step: Steps, *, warm: bool = True) -> bool:
        """Finish the deployment not before ``due`` (a time of the event loop), whatever comes: raises nothing.

        False when neither success nor failure could be recorded, as on a full disk: it is still in progress then.
        """
        try:
            await self._serve(deployment, due, step, warm=warm)
        except VersionUnavailable as failure:
            return await self._give_up(deployment, step, failure.code, failure.reason)
        except Exception:
            _log.exception("%s: the deployment failed", deployment.key.arn)
            return await self._give_up(deployment, step, "InternalError", INTERNAL_ERROR)
        return True

    async def _serve(self, deployment: Unfinished, due: float, step: Steps, *, warm: bool) -> None:
        try:
            await self._prepare(deployment, step, warm=warm)
        except Exception:
            await _wait_until(due)
            raise
        await _wait_until(due)
        with step("swap"):
            await self._commit(deployment, step)

    async def _prepare(self, deployment: Unfinished, step: Steps, *, warm: bool) -> None:
        with step("prepare"):
            await self._cutover.prepare(deployment.new, deployment.old)
        if warm and deployment.old is not None:
            with step("warm"):
                await self._cutover.warm(deployment.new, deployment.old)

    async def _commit(self, deployment: Unfinished, step: Steps) -> None:
        retired = {deployment.old.deployment} if deployment.old else set[str]()
        async with self._cutover.switch(deployment.key, retired):
            served = await self._state.write(partial(self._ledger.finish, deployment=deployment, steps=step.durations))
        if not served:
            await self._discard(deployment)

    async def _discard(self, deployment: Unfinished) -> None:
        """End what was warmed for a function that was deleted meanwhile."""
        async with self._cutover.switch(deployment.key, {deployment.new.deployment}):
            _log.info("%s was deleted during the deployment", deployment.key.arn)

    async def _give_up(self, deployment: Unfinished, step: Steps, code: str, reason: str) -> bool:
        _log.warning("%s: deployment failed: %s: %s", deployment.key.arn, code, reason)
        work = partial(self._ledger.fail, deployment=deployment, steps=step.durations, code=code, reason=reason)
        try:
            async with self._cutover.switch(deployment.key, {deployment.new.deployment}):
                await self._state.write(work)
        except Exception:
            _log.exception("%s: the failure of the deployment could not be recorded", deployment.key.arn)
            return False
        return True


async def _wait_until(due: float) -> None:
    remaining = due - asyncio.get_running_loop().time()
    if remaining > 0:
        await asyncio.sleep(remaining)
