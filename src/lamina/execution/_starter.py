"""How an environment comes to be: from a spare that learns its function, or from a fresh process."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

import orjson

from lamina.errors import VersionUnavailable
from lamina.execution._bytecode import Compiler, Trees
from lamina.execution._environment import Environment, InitFailed, InitTimedOut
from lamina.execution._images import Image, Launch, RuntimeLaunch, error_type_of, payload_of, reason_of
from lamina.execution._lines import lines_of
from lamina.execution._output import LogStream, Output
from lamina.execution._remains import Remains
from lamina.execution._spares import Spares
from lamina.execution._surroundings import Surroundings
from lamina.execution._variables import RUNTIME_API, companions, environment, needs_fresh_process
from lamina.functions import LiveVersion
from lamina.runtimes import Runtime, RuntimeUnavailable
from lamina.sandbox import Bind, Limits, ProgramUnavailable, Sandbox, SandboxLauncher, SandboxSpec, SandboxUnavailable

_LOG = logging.getLogger(__name__)
_STARTS_AT_ONCE = 16
Make = Callable[[LiveVersion, Sandbox, Output], Environment]


class Logs(Protocol):
    """Where log streams are opened."""

    def open(self, account_id: str, region: str, group: str, stream_name: str) -> LogStream:
        """A new stream."""


class Runtimes(Protocol):
    """The interpreters of this machine."""

    def resolve(self, runtime_name: str, architecture: str = "") -> Runtime:
        """Raises ``RuntimeUnavailable``."""

    def require(self, architecture: str) -> None:
        """Raises ``RuntimeUnavailable`` where programs for the architecture cannot run."""


class Supply(Protocol):
    """What versions are made of. Each raises ``VersionUnavailable`` when it cannot be had."""

    async def variables(self, live: LiveVersion) -> Mapping[str, str]:
        """The environment variables, opened."""

    async def tree(self, live: LiveVersion) -> Path:
        """The unpacked code of a zip function."""

    async def image(self, live: LiveVersion) -> Image:
        """The layers and the configuration of an image function."""


class Starter:
    """Starts environments, a bounded number at the same time, so that a burst does not starve itself."""

    def __init__(
        self,
        launcher: SandboxLauncher,
        runtimes: Runtimes,
        trees: Trees,
        logs: Logs,
        *,
        folder: Path,
        spares: int,
        supply: Supply,
        surroundings: Surroundings | None = None,
    ) -> None:
        """``folder`` is for work in progress; ``spares`` is how many generic sandboxes wait for each runtime."""
        self._launcher = launcher
        self._runtimes = runtimes
        self._trees = trees
        self._logs = logs
        self._supply = supply
        self._surroundings = surroundings or Surroundings()
        self._spares = Spares(launcher, spares, self._surroundings.network)
        self._compiler = Compiler(launcher, trees, folder / "bytecode")
        self._remains = Remains(launcher.release)
        self._turn = asyncio.Semaphore(_STARTS_AT_ONCE)

    async def start(
        self,
        live: LiveVersion,
        on_idle: Callable[[Environment], None],
        on_dead: Callable[[Environment], None],
    ) -> Environment:
        """A ready environment.

        Raises ``InitFailed``, ``SandboxUnavailable``, ``RuntimeUnavailable`` or ``VersionUnavailable``.
        """
        live = replace(live, variables=await self._supply.variables(live))
        make: Callable[..., Environment] = partial(Environment, on_idle=on_idle, on_dead=on_dead)
        if live.initialization != "on-demand":
            return await self._start(live, make)
        make = partial(make, leave=partial(self._remains.add, live.deployment))
        try:
            return await self._start_heir(live, make)
        except InitTimedOut:
            return await self._start(live, partial(make, again=True))

    async def _start_heir(self, live: LiveVersion, make: Make) -> Environment:
        """An environment with the ``/tmp`` of one that was reset, if there is one."""
        predecessor = await self._remains.take(live.deployment)
        if predecessor:
            try:
                return await self._start(live, make, predecessor)
            except ProgramUnavailable:
                raise
            except SandboxUnavailable as error:
                self._launcher.release(predecessor)
                _LOG.warning("%s: the files of an environment that was reset are lost: %s", live.key.arn, error)
        return await self._start(live, make)

    async def _start(self, live: LiveVersion, make: Make, heir_of: str = "") -> Environment:
        if live.package_type == "Image":
            async with self._turn:
                launch = Launch(live, await self._image(live))
                return await self._start_image(live, launch, None, make, heir_of)
        runtime = self._runtimes.resolve(live.runtime, live.architecture)
        async with self._turn:
            tree = await self._supply.tree(live)
            if runtime.image is not None:
                inside = RuntimeLaunch(live, await self._runtime_image(live, runtime), runtime, tree)
                return await self._start_image(live, inside, runtime.version_label, make, heir_of)
            binds = (Bind(source=tree, target="/var/task"),)
            limits = Limits(memory_mb=live.memory_size, tmp_mb=live.ephemeral_storage)
            stream_name, stream = self._open_stream(live, runtime.version_label)
            generic = self._takes_generic(runtime) and not needs_fresh_process(live.variables) and not heir_of
            if generic:
                sandbox = await self._spares.take(runtime, fork=live.initialization != "snap-start")
            else:
                sandbox = await self._fresh(live, runtime, binds, limits, stream_name, heir_of)
            ready = make(live, sandbox, Output(sandbox.output, stream))
            await ready.listen(self._surroundings.connect)
            if generic:
                variables = environment(live, runtime, sandbox.runtime_api, stream_name, self._surroundings)
                await sandbox.specialise(binds, limits)
                sandbox.send_control(orjson.dumps({"environment": variables}))
            await ready.initialise()
        self.expect(live.runtime)
        return ready

    async def prepare(self, live: LiveVersion, ancestor: str | None) -> None:
        """Have all that a start needs: the image, the keys, and of a zip its bytecode.

        ``ancestor`` is the package before it. Raises ``RuntimeUnavailable`` and ``VersionUnavailable``.
        """
        await self._supply.variables(live)
        if live.package_type == "Image":
            await self._image(live)
            return
        runtime = self._runtimes.resolve(live.runtime, live.architecture)
        if runtime.image is not None:
            await self._runtime_image(live, runtime)
        else:
            self.expect(live.runtime)
        await self._supply.tree(live)
        await self._compiler.compile(live, runtime, ancestor)

    def version_label(self, live: LiveVersion) -> str:
        """What names the version of a zip function's runtime in the log. Raises ``RuntimeUnavailable``."""
        return self._runtimes.resolve(live.runtime, live.architecture).version_label

    def expect(self, runtime_name: str) -> None:
        """Have spares ready for the runtime from now on."""
        runtime = self._runtimes.resolve(runtime_name)
        if self._takes_generic(runtime):
            self._spares.refill(runtime)

    async def close(self) -> None:
        """Stop making spares."""
        self._remains.close()
        await self._spares.close()

    def _takes_generic(self, runtime: Runtime) -> bool:
        # Without a mount namespace nothing can be mounted into a process that already runs.
        return runtime.generic and self._launcher.level != "E"

    async def _fresh(
        self,
        live: LiveVersion,
        runtime: Runtime,
        binds: tuple[Bind, ...],
        limits: Limits,
        stream_name: str,
        heir_of: str,
    ) -> Sandbox:
        variables = environment(live, runtime, RUNTIME_API, stream_name, self._surroundings)
        return await self._launcher.start(
            SandboxSpec(
                argv=runtime.argv,
                environment=variables,
                companions=companions(variables),
                binds=runtime.binds + binds,
                limits=limits,
                architecture=runtime.architecture,
                network=self._surroundings.network,
                heir_of=heir_of,
            )
        )

    async def _image(self, live: LiveVersion) -> Image:
        image = await self._supply.image(live)
        self._runtimes.require(image.architecture)
        return image

    async def _runtime_image(self, live: LiveVersion, runtime: Runtime) -> Image:
        assert runtime.image is not None
        if self._launcher.level == "E":
            raise RuntimeUnavailable(f"{runtime.name} runs in {runtime.origin}, which needs isolation level A or B")
        try:
            return await self._image(replace(live, image=runtime.image.digest, image_source=runtime.image.source))
        except VersionUnavailable as error:
            reason = f"{runtime.name} runs in {runtime.origin}, which cannot be had: {error.reason}"
            raise RuntimeUnavailable(reason) from error

    async def _start_image(
        self,
        live: LiveVersion,
        launch: Launch,
        version_label: str | None,
        make: Make,
        heir_of: str,
    ) -> Environment:
        stream_name, stream = self._open_stream(live, version_label)
        try:
            spec = replace(launch.spec(stream_name, self._surroundings), heir_of=heir_of)
            sandbox = await self._launcher.start(spec)
            ready = make(live, sandbox, Output(sandbox.output, stream))
            await ready.listen(self._surroundings.connect)
            await ready.initialise()
        except ProgramUnavailable as error:
            failed = InitFailed(payload_of(error))
            line = lines_of(live).launch_failed(error_type_of(error), launch.line(reason_of(error)))
            if line is not None:
                stream.write(int(time.time() * 1000), line)
            raise failed from error
        return ready

    def _open_stream(self, live: LiveVersion, version_label: str | None) -> tuple[str, LogStream]:
        name = f"{time.strftime('%Y/%m/%d', time.gmtime())}/[{live.version}]{uuid.uuid4().hex}"
        stream = self._logs.open(live.key.account_id, live.key.region, live.log_group, name)
        line = lines_of(live).init_start(version_label)
        if line is not None:
            stream.write(int(time.time() * 1000), line)
        return name, stream
