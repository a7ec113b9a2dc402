"""Environments of image functions: what runs, with which variables, and what is said when it cannot."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

from lamina.execution import _payloads
from lamina.execution._environment import InitFailed
from lamina.execution._surroundings import Surroundings
from lamina.execution._variables import RUNTIME_API, companions, environment, image_environment
from lamina.functions import LiveVersion
from lamina.runtimes import Runtime
from lamina.sandbox import Bind, Limits, ProgramUnavailable, SandboxSpec

_ROOT = "/"
_TASK = "/var/task"
_BOOTSTRAP = "/var/runtime/bootstrap"
_NOT_FOUND = {errno.ENOENT, errno.EACCES}


class Image(Protocol):
    """An image that is there: its layer folders, bottom to top, and its configuration."""

    @property
    def layers(self) -> tuple[Path, ...]:
        """The folders, or one merged folder where the machine has no overlayfs."""

    @property
    def entrypoint(self) -> tuple[str, ...]:
        """ENTRYPOINT."""

    @property
    def command(self) -> tuple[str, ...]:
        """CMD."""

    @property
    def environment(self) -> Mapping[str, str]:
        """ENV."""

    @property
    def working_directory(self) -> str:
        """WORKDIR; empty for the root."""

    @property
    def architecture(self) -> str:
        """``x86_64`` or ``arm64``."""


class Launch:
    """How an image function starts: the image's configuration under the function's ImageConfig.

    Each member of ImageConfig stands for its own of the image's; one without content leaves it (Lambda Developer Guide,
    "Override container image settings").
    """

    def __init__(self, live: LiveVersion, image: Image) -> None:
        self._live = live
        self._image = image
        self.entry_point = live.entry_point or image.entrypoint
        self.command = live.command or image.command
        self.working_directory = live.working_directory or image.working_directory or _ROOT

    def spec(self, log_stream: str, surroundings: Surroundings) -> SandboxSpec:
        """The sandbox. Raises ``InitFailed`` when there is nothing to run."""
        live, image = self._live, self._image
        argv = (*self.entry_point, *self.command)
        if not argv:
            raise InitFailed(partial(_payloads.invalid_entrypoint, reason="Couldn't find valid bootstrap(s): []"))
        variables = image_environment(live, image.environment, self.handler, log_stream, surroundings)
        return SandboxSpec(
            argv=argv,
            environment=variables,
            companions=companions(variables),
            limits=Limits(memory_mb=live.memory_size, tmp_mb=live.ephemeral_storage),
            working_directory=self.working_directory,
            root=image.layers,
            architecture=image.architecture,
            network=surroundings.network,
        )

    @property
    def handler(self) -> str:
        """``_HANDLER``: the first word of the command."""
        return self.command[0] if self.command else ""

    def line(self, reason: str) -> str:
        """What the function's log says of a start that failed."""
        entry_point, command = (f"[{' '.join(words)}]" for words in (self.entry_point, self.command))
        return (
            f"IMAGE\tLaunch error: {reason}\tEntry Point: {entry_point}\tCmd: {command}"
            f"\tWorkingDir: [{self.working_directory}]\n"
        )


class RuntimeLaunch(Launch):
    """How a zip function starts in the image of its runtime: the code is mounted, all else is the image's.

    Its entry point gets the handler as its word, as AWS's base images want it, which also read ``_HANDLER``.
    """

    def __init__(self, live: LiveVersion, image: Image, runtime: Runtime, tree: Path) -> None:
        super().__init__(live, image)
        self._runtime = replace(runtime, environment=image.environment)
        self._tree = tree
        self.entry_point = runtime.argv or image.entrypoint or (_BOOTSTRAP,)
        self.command = () if runtime.argv else (live.handler,)
        self.working_directory = _TASK

    def spec(self, log_stream: str, surroundings: Surroundings) -> SandboxSpec:
        """The sandbox."""
        live, image = self._live, self._image
        variables = environment(live, self._runtime, RUNTIME_API, log_stream, surroundings)
        return SandboxSpec(
            argv=(*self.entry_point, *self.command),
            environment=variables,
            companions=companions(variables),
            binds=(Bind(source=self._tree, target=_TASK),),
            limits=Limits(memory_mb=live.memory_size, tmp_mb=live.ephemeral_storage),
            working_directory=self.working_directory,
            root=image.layers,
            architecture=image.architecture,
            network=surroundings.network,
        )


def reason_of(error: ProgramUnavailable) -> str:
    """The kernel's answer in the service's words."""
    answer = os.strerror(error.errno)
    answer = answer[:1].lower() + answer[1:]
    if error.step == "enter":
        return f"chdir {error.path}: {answer}"
    if "/" not in error.path and error.errno in _NOT_FOUND:
        return f'exec: "{error.path}": executable file not found in $PATH'
    return f"fork/exec {error.path}: {answer}"


def error_type_of(error: ProgramUnavailable) -> str:
    """What the service calls it."""
    return "Runtime.InvalidWorkingDir" if error.step == "enter" else "Runtime.InvalidEntrypoint"


def payload_of(error: ProgramUnavailable) -> Callable[[str], bytes]:
    """The error payload for a request id."""
    return partial(_payloads.launch_failed, error_type=error_type_of(error), reason=reason_of(error))
