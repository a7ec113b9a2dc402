"""One execution environment: a sandbox with one runtime in it that runs one invocation at a time."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from functools import partial
from typing import Literal

from lamina.errors import SnapStartException, SnapStartTimeoutException
from lamina.execution import _payloads, _shutdown
from lamina.execution._extensions import Extensions, Reason
from lamina.execution._gateway import Gateway
from lamina.execution._invocation import Invocation, Outcome
from lamina.execution._lines import Phase, Report, Restored, Status, lines_of
from lamina.execution._output import Output
from lamina.execution._rejected import Rejected
from lamina.execution._runtime_api import RuntimeConnection
from lamina.execution._side_requests import SideRequest
from lamina.execution._streams import ResponseStream, Source
from lamina.execution._surroundings import Connect
from lamina.execution._telemetry import PATHS as TELEMETRY_PATHS
from lamina.execution._telemetry import Telemetry
from lamina.functions import LiveVersion
from lamina.sandbox import Beside, Exit, Sandbox

INIT_SECONDS = 10.0
LIFE_SECONDS = 11 * 3600.0
"""An environment older than this is ended when it is idle: its keys are valid for an hour more."""
_INIT_AHEAD_SECONDS = 130.0
RESTORE_SECONDS = 10.0
_UNHANDLED = "Unhandled"

_State = Literal["initialising", "snapshot", "restoring", "idle", "busy", "dead"]


class InitFailed(Exception):
    """The environment did not become ready; ``payload`` makes the error payload for a request id."""

    def __init__(self, payload: Callable[[str], bytes]) -> None:
        super().__init__("the environment did not initialise")
        self.payload = payload


class InitTimedOut(InitFailed):
    """The initialisation took longer than it may; another may be given more time."""


class Environment:
    """An execution environment from its start to its end.

    ``on_idle`` is called each time it can take an invocation again, ``on_dead`` once. Nothing here waits: the pool
    decides when an environment is used, frozen and ended.
    """

    def __init__(
        self,
        live: LiveVersion,
        sandbox: Sandbox,
        output: Output,
        on_idle: Callable[[Environment], None],
        on_dead: Callable[[Environment], None],
        *,
        again: bool = False,
        leave: Callable[[Sandbox], None] | None = None,
    ) -> None:
        """``again``: the first try took too long, and this one is a part of the first invocation.

        It has the function's timeout, of which the invocation gets what is left (Lambda Developer Guide, "Init phase").

        ``leave`` is told of the sandbox when the environment is reset, by a crash or a timeout: its /tmp is kept.
        """
        self._leave = leave
        self._left = False
        self._retired = False
        self.live = live
        self._phase: Phase = "invoke" if again else "init"
        self._spent = 0.0
        self.idle_since = 0.0
        self.best_before = asyncio.get_running_loop().time() + LIFE_SECONDS
        self.frozen = False
        self._state: _State = "initialising"
        self._lines = lines_of(live)
        self._sandbox = sandbox
        self._output = output
        self._on_idle = on_idle
        self._on_dead = on_dead
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._server: asyncio.Server | None = None
        self._gateway: Gateway | None = None
        self._connections: set[RuntimeConnection] = set()
        self._waiting: RuntimeConnection | None = None
        self._invocation: Invocation | None = None
        self._outcome: asyncio.Future[Outcome] | None = None
        self._answered = True
        self._cut = False
        self._began = 0.0
        self._init_began = time.perf_counter()
        self._init_ms: float | None = None
        self._restored: Restored | None = None
        self._hooked = False
        self._deadline = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._extensions: Extensions | None = None
        self._beside: Output | None = None
        self._telemetry: Telemetry | None = None
        self._lingering: Callable[[], None] | None = None
        self._ending: asyncio.Task[None] | None = None
        if sandbox.beside is not None:
            self._watch(sandbox.beside)
        sandbox.exited.add_done_callback(self._exited)

    async def listen(self, connect: Connect | None = None) -> None:
        """Serve the Runtime API to the sandbox, and at its gateway, where there is one, what ``connect`` makes."""
        self._server = await self._loop.create_server(self._connect, sock=self._sandbox.listener)
        if connect is not None and self._sandbox.gateway is not None:
            self._gateway = Gateway(self._sandbox.gateway, connect)

    async def initialise(self) -> None:
        """Wait until the runtime and all extensions ask for their first event.

        Raises ``InitFailed``, and with extensions ``SandboxUnavailable``; then the sandbox has ended or is about to.
        """
        limit = self.live.timeout if self._phase == "invoke" else _init_seconds(self.live)
        timer = self._loop.call_later(limit, self._init_timed_out)
        try:
            if self._extensions is not None and self._sandbox.beside is not None:
                await asyncio.wait((self._extensions.registered, self._ready), return_when="FIRST_COMPLETED")
                if not self._ready.done():
                    await self._sandbox.run()
            await self._ready
        finally:
            timer.cancel()

    def invoke(self, invocation: Invocation) -> asyncio.Future[Outcome]:
        """Send an invocation to the idle runtime; the future has its outcome and is never an error."""
        assert self._state == "idle"
        assert self._waiting is not None
        if self.frozen:
            self._thaw()
        self._state = "busy"
        self._invocation = invocation
        self._answered = False
        self._outcome = outcome = self._loop.create_future()
        if invocation.tail:
            self._output.begin_tail()
        timeout: float = self.live.timeout
        self._began = time.perf_counter()
        if self._spent:
            timeout -= self._spent
            self._began -= self._spent
            self._spent = 0.0
        self._deadline = self._loop.time() + timeout
        if self._timer is None:
            self._timer = self._loop.call_later(timeout, self._look_at_the_time)
        deadline_ms = int((time.time() + timeout) * 1000)
        connection, self._waiting = self._waiting, None
        connection.send_next(invocation.request_id, _next_head(invocation, deadline_ms), invocation.payload)
        if self._extensions is not None:
            self._extensions.invoke(invocation, deadline_ms)
        if self._telemetry is not None:
            self._telemetry.start(invocation)
        self._output.write(self._lines.start(invocation.request_id))
        return outcome

    @property
    def memory_bytes(self) -> int:
        """The most memory that it has used so far."""
        return self._sandbox.max_memory_bytes()

    def freeze(self) -> None:
        """Stop the idle environment where it stands."""
        if self._state in ("idle", "snapshot") and not self.frozen:
            if self._telemetry is not None:
                self._telemetry.freeze()
            self._sandbox.freeze()
            self.frozen = True

    async def restore(
        self, on_idle: Callable[[Environment], None], on_dead: Callable[[Environment], None], runtime_version: str
    ) -> None:
        """Go on from the end of the initialisation, for these callbacks from now on, and run the after-restore hooks.

        Raises ``SnapStartException`` and ``SnapStartTimeoutException``; then the sandbox has ended.
        """
        self._on_idle, self._on_dead = on_idle, on_dead
        self._init_ms = None
        self._output.write(self._lines.restore_start(runtime_version))
        began = time.perf_counter()
        if self.frozen:
            self._thaw()
        thawed = time.perf_counter()
        if self._state == "snapshot":
            await self._run_hooks()
        if self._state == "dead":
            raise SnapStartException
        ended = time.perf_counter()
        self._restored = Restored(duration_ms=(ended - began) * 1000, hooks_ms=(ended - thawed) * 1000)
        self._output.drain()
        self._output.write(self._lines.restore_report(self._restored))
        self._become_idle()

    async def _run_hooks(self) -> None:
        assert self._waiting is not None
        self._state = "restoring"
        self._ready = self._loop.create_future()
        timer = self._loop.call_later(RESTORE_SECONDS, self._restore_timed_out)
        connection, self._waiting = self._waiting, None
        connection.send_restored()
        try:
            await self._ready
        except InitFailed as error:
            raise SnapStartException from error
        finally:
            timer.cancel()

    def end(self) -> None:
        """End the environment now, whatever it does; its extensions are given the time to notice."""
        self._retired = True
        self._shut_down("SPINDOWN")

    async def ended(self) -> None:
        """Wait for what ``end`` has begun."""
        if self._ending is not None:
            await asyncio.wait((self._ending,))

    # The Runtime API.

    def _connect(self) -> RuntimeConnection:
        connection = RuntimeConnection(self)
        self._connections.add(connection)
        return connection

    def on_next(self, connection: RuntimeConnection) -> None:
        """The runtime is ready for an invocation."""
        self._waiting = connection
        if self._extensions is not None and not self._settle(self._extensions):
            return
        if self._state == "initialising":
            self._note_init()
            self._introduce(None)
            self._become_idle()
            if not self._ready.done():
                self._ready.set_result(None)
        elif self._state == "busy" and (self._answered or self._was_cut()):
            self._become_idle()
        elif self._state == "restoring" and not self._ready.done():
            self._ready.set_result(None)

    def _note_init(self) -> None:
        elapsed = time.perf_counter() - self._init_began
        if self._phase == "init":
            self._init_ms = elapsed * 1000
        else:
            self._spent = min(elapsed, self.live.timeout)

    def on_restore_next(self, connection: RuntimeConnection) -> None:
        """The runtime has run its before-snapshot hooks."""
        if self._state != "initialising" or self.live.initialization != "snap-start":
            raise Rejected(403, "InvalidStateTransition", "There is nothing to restore")
        self._waiting = connection
        self._hooked = True
        if self._extensions is not None and not self._settle(self._extensions):
            return
        self._introduce(None)
        self._state = "snapshot"
        if not self._ready.done():
            self._ready.set_result(None)

    def on_restore_error(self, body: bytes) -> None:
        """An after-restore hook has failed; the runtime ends by itself or is ended."""
        if self._state != "restoring":
            raise Rejected(403, "InvalidStateTransition", "There is no restoring to fail")
        self._fail_init(lambda request_id: _payloads.init_error(body, request_id))
        self._shut_down("FAILURE")

    def on_response(self, request_id: str, body: bytes | None) -> None:
        """The function has returned."""
        self._check(request_id)
        if body is None:
            self._finish(_payloads.response_too_large(), _UNHANDLED, "error", "Function.ResponseSizeTooLarge")
        else:
            self._finish(body, None)

    def on_error(self, request_id: str, body: bytes, error_type: str | None = None) -> None:
        """The function has failed, and the runtime goes on."""
        self._check(request_id)
        self._finish(body, _UNHANDLED, "error", error_type)

    def on_stream(self, request_id: str, source: Source) -> ResponseStream | None:
        """The function begins to return."""
        self._check(request_id)
        assert self._invocation is not None
        stream = self._invocation.stream
        if stream is not None:
            if stream.executed_version is not None:
                raise Rejected(400, "InvalidStateTransition", "The response has begun already")
            stream.begin(self.live.version, source)
        return stream

    def on_cut(self, request_id: str) -> None:
        """What comes next, its end or the request for more work, tells why the runtime has cut its response short."""
        invocation = self._invocation
        self._cut = not self._answered and invocation is not None and invocation.request_id == request_id
        if self._waiting is not None and self._was_cut():  # The request for more work has overtaken the loss.
            self._become_idle()

    def on_init_error(self, body: bytes) -> None:
        """The runtime cannot go on; it ends by itself or is ended."""
        if self._state != "initialising":
            raise Rejected(403, "InvalidStateTransition", "Transition from Ready to InitError is not allowed")
        self._fail_init(lambda request_id: _payloads.init_error(body, request_id))
        self._shut_down("FAILURE")

    def on_disconnect(self, connection: RuntimeConnection) -> None:
        """A runtime that closes the connection on which it waited cannot be reached any more."""
        self._connections.discard(connection)
        if self._extensions is not None:
            self._extensions.lose(connection)
        if connection is self._waiting:
            self._waiting = None
            self._shut_down("FAILURE")
            self._state = "dead"
            self._on_dead(self)

    # The Extensions API.

    def on_side_request(self, request: SideRequest) -> bytes | None:
        """Something else than the Runtime API is wanted."""
        if self._extensions is None:
            self._extensions = Extensions(self.live, self)
        if self._state != "initialising":
            self._extensions.close_registration()
        if request.path not in TELEMETRY_PATHS:
            return self._extensions.handle(request)
        name = self._extensions.name_of(request)
        return self._told().handle(request, name)

    def on_settled(self) -> None:
        """The extensions have done what they had to do; perhaps the runtime has waited for them."""
        if self._waiting is not None:
            hooked = self._hooked and self._state == "initialising"
            (self.on_restore_next if hooked else self.on_next)(self._waiting)

    def on_extension_error(self, error_type: str, reason: str) -> None:
        """The environment cannot go on without one of its extensions."""
        if self._ending is not None or self._state == "dead":
            return
        payload = partial(_payloads.extension_failed, error_type=error_type, reason=reason)
        if self._state == "busy" and not self._answered and self._invocation is not None:
            self._finish(payload(self._invocation.request_id), _UNHANDLED, "error", error_type)
        self._fail_init(payload)
        self._shut_down("FAILURE")

    def _told(self) -> Telemetry:
        if self._telemetry is None:
            began = time.time() - (time.perf_counter() - self._init_began)
            initialising = self._state == "initialising"
            self._telemetry = Telemetry(self.live, self._sandbox.connect, began, open_=initialising)
            self._output.follow(partial(self._telemetry.line, "function"))
            if self._beside is not None:
                self._beside.follow(partial(self._telemetry.line, "extension"))
        return self._telemetry

    def _watch(self, beside: Beside) -> None:
        self._extensions = Extensions(self.live, self, beside.ended)
        self._beside = self._output.beside(beside.output)
        self._told()
        for name, (_, path, number) in beside.refused.items():
            reason = _payloads.launch_reason(path, number)
            self._loop.call_soon(self.on_extension_error, self._extensions.refuse(name), reason)
        beside.program.add_done_callback(self._program_ended)
        for name, ended in beside.ended.items():
            ended.add_done_callback(partial(self._extension_ended, name))

    def _program_ended(self, ended: asyncio.Future[Exit]) -> None:
        """The runtime of an environment with external extensions has ended."""
        if self._ending is None and self._state != "dead":
            self._blame(ended.result())
            self._shut_down("FAILURE")

    def _extension_ended(self, name: str, ended: asyncio.Future[Exit]) -> None:
        assert self._extensions is not None
        self.on_extension_error(self._extensions.crash(name), _payloads.ended_reason(ended.result()))

    def _settle(self, extensions: Extensions) -> bool:
        """Whether no extension is busy; then what waited for them is done."""
        if not extensions.settled:
            return False
        if self._lingering is not None:
            self._lingering()
        return True

    def _introduce(self, failed: Callable[[str], bytes] | None) -> None:
        """The environment is initialised, or it has failed: say with which extensions."""
        if self._extensions is None:
            return
        self._extensions.close_registration()
        known = [(each.name, each.state, each.events, each.error_type) for each in self._extensions.all]
        for each in known:
            self._output.write(self._lines.extension(*each))
        if self._telemetry is None:
            return
        for name, logs, types in self._telemetry.subscriptions:
            self._output.write(self._lines.subscription(name, types, logs=logs))
        elapsed_ms = (time.perf_counter() - self._init_began) * 1000
        error_type = None if failed is None else _payloads.error_type(failed(""))
        self._telemetry.initialised(elapsed_ms, known, error_type)
        if not self._telemetry.wanted:
            for output in (self._output, self._beside):
                if output is not None:
                    output.follow(None)
            self._telemetry = None

    def _thaw(self) -> None:
        self._sandbox.thaw()
        self.frozen = False
        if self._telemetry is not None:
            self._telemetry.thaw()

    def _shut_down(self, reason: Reason) -> None:
        """End the environment: at once, or, if there are extensions, when they have come to their end."""
        if self._lingering is not None:
            self._lingering()
        if self._extensions is None or not self._extensions.known:
            self._bequeath()
            self._sandbox.kill()
            return
        if self._ending is not None:
            return
        if self.frozen:
            self._thaw()
        if self._answered:
            self._state = "dead"
            self._on_dead(self)
        self._ending = self._loop.create_task(
            _shutdown.shut_down(self._sandbox, self._extensions, self._telemetry, reason)
        )

    # What ends an invocation or the environment.

    def _check(self, request_id: str) -> None:
        if self._state != "busy" or self._answered or self._invocation is None:
            raise Rejected(400, "InvalidStateTransition", "There is no invocation to answer")
        if request_id != self._invocation.request_id:
            raise Rejected(400, "InvalidRequestID", "Invalid request ID")

    def _was_cut(self) -> bool:
        """Whether the response has ended too soon, which nobody has been told yet: now it is."""
        if not self._cut or self._invocation is None:
            return False
        payload = _payloads.truncated(self._invocation.request_id)
        self._finish(payload, _UNHANDLED, "error", "Runtime.TruncatedResponse")
        return True

    def _finish(
        self, payload: bytes, function_error: str | None, status: Status = "success", error_type: str | None = None
    ) -> None:
        assert self._invocation is not None
        assert self._outcome is not None
        self._answered = True
        self._cut = False
        if self._telemetry is not None:
            done_ms = (time.perf_counter() - self._began) * 1000
            self._telemetry.runtime_done(self._invocation, done_ms, len(payload), status, error_type)
        if self._extensions is not None and not self._extensions.settled:
            self._linger(payload, function_error, status, error_type)
            return
        elapsed_ms = (time.perf_counter() - self._began) * 1000
        record = partial(self._record, self._invocation.request_id, elapsed_ms, status, error_type)
        log_tail = None
        if self._invocation.tail:
            record()
            log_tail = self._output.take_tail()
        if not self._outcome.done():
            self._outcome.set_result(
                Outcome(
                    payload=payload,
                    executed_version=self.live.version,
                    function_error=function_error,
                    log_tail=log_tail,
                )
            )
        if not self._invocation.tail:
            # The caller is answered first; nothing can be written by or for the next invocation before this.
            self._loop.call_soon(record)

    def _linger(self, payload: bytes, function_error: str | None, status: Status, error_type: str | None) -> None:
        """Extensions are busy with the invocation still: the report, and the tail of the log, wait for them."""
        invocation, outcome, began = self._invocation, self._outcome, self._began
        assert invocation is not None
        assert outcome is not None
        result = Outcome(payload=payload, executed_version=self.live.version, function_error=function_error)
        if not invocation.tail and not outcome.done():
            outcome.set_result(result)

        def conclude() -> None:
            self._lingering = None
            elapsed_ms = (time.perf_counter() - began) * 1000
            self._record(invocation.request_id, elapsed_ms, status, error_type)
            if not outcome.done():
                outcome.set_result(result._replace(log_tail=self._output.take_tail()))

        self._lingering = conclude

    def _record(self, request_id: str, elapsed_ms: float, status: Status, error_type: str | None) -> None:
        """Write what was printed and what the invocation has cost."""
        self._output.drain()
        init_ms, self._init_ms = self._init_ms, None
        restored, self._restored = self._restored, None
        peak = math.ceil(self._sandbox.max_memory_bytes() / 1_048_576)
        report = Report(
            request_id=request_id,
            duration_ms=elapsed_ms,
            init_ms=init_ms,
            max_memory_mb=min(peak, self.live.memory_size),
            status=status,
            error_type=error_type,
            restored=restored,
        )
        self._output.write(self._lines.report(report))
        if self._telemetry is not None:
            self._telemetry.report(report)

    def _become_idle(self) -> None:
        self._deadline = math.inf
        self._state = "idle"
        self._invocation = None
        self._outcome = None
        self.idle_since = self._loop.time()
        self._on_idle(self)

    def _look_at_the_time(self) -> None:
        """A timer for each invocation would cost more than the rest of it, so one runs on for all of them."""
        left = self._deadline - self._loop.time()
        if left <= 0:
            self._timer = None
            self._timed_out()
        elif self._state == "busy":
            self._timer = self._loop.call_later(left, self._look_at_the_time)
        else:
            self._timer = None

    def _timed_out(self) -> None:
        if not self._answered and self._invocation is not None:
            request_id = self._invocation.request_id
            payload = _payloads.timed_out(request_id, self.live.timeout)
            self._finish(payload, _UNHANDLED, "timeout")
        self._shut_down("TIMEOUT")

    def _init_timed_out(self) -> None:
        timeout = self.live.timeout
        self._fail_init(lambda request_id: _payloads.timed_out(request_id, timeout), InitTimedOut)
        self._shut_down("TIMEOUT")

    def _restore_timed_out(self) -> None:
        self._fail(SnapStartTimeoutException())
        self._shut_down("TIMEOUT")

    def _fail_init(self, payload: Callable[[str], bytes], kind: type[InitFailed] = InitFailed) -> None:
        if not self._ready.done() and self._state != "restoring":
            self._introduce(payload)
            self._report_init(None if kind is InitTimedOut else _payloads.error_type(payload("")))
        self._fail(kind(payload))

    def _report_init(self, error_type: str | None) -> None:
        """Write that the environment has not initialised: with an error, or in time."""
        self._output.drain()
        elapsed_ms = (time.perf_counter() - self._init_began) * 1000
        self._output.write(self._lines.init_report(elapsed_ms, self._phase, error_type))

    def _fail(self, error: Exception) -> None:
        if not self._ready.done():
            self._ready.set_exception(error)
            self._ready.exception()  # nobody may wait for it any more

    def _exited(self, exited: asyncio.Future[Exit]) -> None:
        exit_ = Exit(signal=9) if exited.cancelled() else exited.result()
        self._blame(exit_)
        if self._lingering is not None:
            self._lingering()
        self._state = "dead"
        self._release()
        self._on_dead(self)

    def _blame(self, exit_: Exit) -> None:
        """The runtime has ended: that is the answer, if anybody waits for one."""
        if self._state == "busy" and not self._answered and self._invocation is not None:
            payload = _payloads.exited(self._invocation.request_id, exit_)
            if self._telemetry is not None:
                self._telemetry.fault(_payloads.fault(self._invocation.request_id))
            self._finish(payload, _UNHANDLED, "error", "Runtime.ExitError")
        self._fail_init(lambda request_id: _payloads.exited(request_id, exit_))

    def _release(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._output.close()
        if self._beside is not None:
            self._beside.close()
        if self._telemetry is not None:
            self._telemetry.close()
        for connection in tuple(self._connections):
            connection.close()
        if self._server is not None:
            self._server.close()
        if self._gateway is not None:
            self._gateway.close()
        self._bequeath()
        if self._left:
            self._sandbox.close(keep=True)
        else:
            self._sandbox.close()

    def _bequeath(self) -> None:
        """Have the files of an environment that is reset found by the next one, which may be asked for at once."""
        ready = self._ready.done() and not self._ready.cancelled() and self._ready.exception() is None
        if self._leave is not None and ready and not self._retired and not self._left:
            self._left = True
            self._leave(self._sandbox)


def _init_seconds(live: LiveVersion) -> float:
    """What is initialised before anybody asks has more time (Developer Guide, "Runtime environment lifecycle")."""
    return INIT_SECONDS if live.initialization == "on-demand" else max(_INIT_AHEAD_SECONDS, live.timeout)


def _next_head(invocation: Invocation, deadline_ms: int) -> bytes:
    context = f"Lambda-Runtime-Client-Context: {invocation.client_context}\r\n" if invocation.client_context else ""
    return (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        f"Lambda-Runtime-Aws-Request-Id: {invocation.request_id}\r\n"
        f"Lambda-Runtime-Deadline-Ms: {deadline_ms}\r\n"
        f"Lambda-Runtime-Invoked-Function-Arn: {invocation.invoked_arn}\r\n"
        f"Lambda-Runtime-Trace-Id: {invocation.trace_id}\r\n"
        f"{context}Content-Length: {len(invocation.payload)}\r\n\r\n"
    ).encode()
