"""The order of the steps, shared by create and update."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Set
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from lamina.deploy._interface import Accepted, Change, Code, Ledger, Order, Rehearsal, Rooms, Unfinished
from lamina.deploy._step import Steps
from lamina.deploy._swap import Swap
from lamina.deploy._tasks import Tasks
from lamina.state import State, Transaction

if TYPE_CHECKING:
    from lamina.functions import Cutover, FunctionKey

T = TypeVar("T")

# Most deployments end in milliseconds; an image may be fetched for minutes.
_PATIENCE_SECONDS = 1.0


class Deployments:
    """Takes changes through the pipeline, and everything else that changes where invocations go through the gate.

    Until the swap nothing that is live has changed. An accepted deployment ends by itself in the background, after
    ``update_window`` seconds at the earliest; one that a crash has interrupted ends in ``recover``. When the state
    cannot be written for a while, as on a full disk, the end is tried again every ``again_seconds``.
    """

    def __init__(
        self,
        *,
        state: State,
        rooms: Rooms,
        cutover: Cutover,
        ledger: Ledger,
        update_window: float = 0.0,
        again_seconds: float = 5.0,
        settled: Callable[[FunctionKey], None] | None = None,
    ) -> None:
        """``settled`` is told of each deployment that has ended."""
        self._state = state
        self._rooms = rooms
        self._cutover = cutover
        self._ledger = ledger
        self._window = update_window
        self._again_seconds = again_seconds
        self._settled = settled
        self._swap = Swap(state=state, cutover=cutover, ledger=ledger)
        self._tasks = Tasks()

    async def deploy(self, change: Change) -> dict[str, Any]:
        """The answer to a change that is accepted and durable. Raises ServiceErrors."""
        step = Steps(change.key)
        with step("check"):
            order = await self._state.read(change.check)
        code = None if order is None else await self._obtain(order, step)
        return await self._tasks.run(self._accept(change, code, step))

    async def rehearse(self, change: Rehearsal) -> dict[str, Any]:
        """The answer to a change that goes through every step but the commit. Raises ServiceErrors."""
        step = Steps(change.key)
        with step("check"):
            order = await self._state.read(change.check)
        code = await self._obtain(order, step)
        with step("rehearse"):
            return await self._state.read(partial(change.rehearse, code=code))

    async def switch(
        self,
        key: FunctionKey,
        work: Callable[[Transaction], T],
        retire: Set[str] = frozenset(),
        *,
        whole_account: bool = False,
    ) -> T:
        """Commit a change of routes, such as a moved alias, at the gate; see ``Cutover.switch``."""
        return await self._tasks.run(self._switch(key, work, retire, whole_account))

    async def recover(self) -> None:
        """Finish, or fail with a reason, what was accepted before the last end of the server.

        What takes long, as with a registry that hangs, goes on in the background while the old code serves.
        """
        now = asyncio.get_running_loop().time()
        unfinished = await self._state.read(self._ledger.unfinished)
        settling = [self._tasks.spawn(self._settle(each, now, Steps(each.key), warm=False)) for each in unfinished]
        if settling:
            await asyncio.wait(settling, timeout=_PATIENCE_SECONDS)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Start what follows from a deployment, so that ``idle`` and ``close`` wait for it too."""
        self._tasks.spawn(work)

    async def idle(self) -> None:
        """Wait until every accepted deployment has ended."""
        await self._tasks.idle()

    async def close(self) -> None:
        """Let what is under way end; what takes long stays in progress, and the next start finishes it."""
        await self._tasks.close(_PATIENCE_SECONDS)

    async def _obtain(self, order: Order, step: Steps) -> Code:
        return await order.source.obtain(order, self._rooms, step)

    async def _accept(self, change: Change, code: Code | None, step: Steps) -> dict[str, Any]:
        due = asyncio.get_running_loop().time() + self._window
        with step("accept"):
            accepted: Accepted = await self._state.write(partial(change.accept, code=code))
        self._tasks.spawn(self._settle(accepted.unfinished, due, step))
        return accepted.answer

    async def _settle(self, deployment: Unfinished, due: float, step: Steps, *, warm: bool = True) -> None:
        if not await self._swap.settle(deployment, due, step, warm=warm):
            asyncio.get_running_loop().call_later(self._again_seconds, self._settle_again, deployment)
        elif self._settled is not None:
            self._settled(deployment.key)

    def _settle_again(self, deployment: Unfinished) -> None:
        self._tasks.spawn(self._settle(deployment, 0.0, Steps(deployment.key), warm=False))

    async def _switch(
        self, key: FunctionKey, work: Callable[[Transaction], T], retire: Set[str], whole_account: bool
    ) -> T:
        async with self._cutover.switch(key, retire, whole_account=whole_account):
            return await self._state.write(work)
