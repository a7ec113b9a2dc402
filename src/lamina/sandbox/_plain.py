"""Level E: plain processes. It keeps accidents apart, not enemies: for one's own code only.

Nothing can be mounted, so each sandbox has a directory with a ``tmp`` and links from ``var/task`` and its like to what
the binds name; the standard paths in arguments, environment and control messages are rewritten to point there.
"""

from __future__ import annotations

import os
import shutil

from lamina.sandbox import _foreign, _messages, _network, _supervisor
from lamina.sandbox._estate import Estate
from lamina.sandbox._program import Fit
from lamina.sandbox._steps import Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from lamina.sandbox._messages import Message
    from lamina.sandbox._template import Template

STANDARD = ("/var/task", "/var/runtime", "/var/lang", "/opt")
TMP = "tmp"
ENOSYS = 38


class Plain:
    """The same face as ``World``, without isolation."""

    groups = None
    egress = None

    def __init__(self, directory: str) -> None:
        """Sandboxes get directories under ``directory``; those of a dead launcher go."""
        self._directory = f"{directory}/plain"
        shutil.rmtree(self._directory, ignore_errors=True)
        self._names: dict[Fit, dict[str, str]] = {}

    def fit(self, serial: int, inherited: Estate | None = None) -> Fit:
        """A directory for a new sandbox, with the ``/tmp`` that is ``inherited``; ``release`` removes it."""
        fit = Fit(uid=None, outer=None, seccomp=b"", grouped=False, freezable=False)
        home = f"{self._directory}/{serial}"
        with Step(f"make {home}"):
            os.makedirs(f"{home}/{TMP}")
            for target in STANDARD:
                os.makedirs(home + target)
            if inherited is not None:
                os.rename(inherited.path, f"{home}/{TMP}")
        self._names[fit] = {target: home + target for target in STANDARD}
        return fit

    def leave(self, fit: Fit, namespaces: list[int]) -> Estate | None:  # noqa: ARG002
        """What an ended sandbox leaves: its ``/tmp``."""
        path = f"{self._home(fit)}.left"
        try:
            os.rename(f"{self._home(fit)}/{TMP}", path)
        except OSError:
            return None
        return Estate(uid=None, path=path)

    def forget(self, estate: Estate, *, inherited: bool = False) -> None:
        """Remove what a sandbox has left, unless an heir has it."""
        if not inherited:
            shutil.rmtree(estate.path, ignore_errors=True)

    def release(self, fit: Fit, *, keep: bool = False) -> None:  # noqa: ARG002
        """Remove the sandbox's directory; what its links point to stays."""
        shutil.rmtree(self._home(fit), ignore_errors=True)
        del self._names[fit]

    def prepare(self, order: Message) -> None:
        """Nothing to gain: without namespaces a start is an ``exec`` and little else."""

    def begin(
        self,
        channel: socket.socket,
        fit: Fit,
        tmp_mb: int,  # noqa: ARG002
        template: Template | None,  # noqa: ARG002
        tmp: int | None = None,  # noqa: ARG002
    ) -> int:
        """Start the process that watches over the sandbox's; its process id."""
        with Step("bind ports for the Runtime API and the gateway"):
            listener, gateway = (_network.listen(("127.0.0.1", 0)) for _ in range(2))
        with listener, gateway:
            self._names[fit][_network.name(_network.RUNTIME_API)] = _network.name(listener.getsockname())
            self._names[fit][_network.url(_network.GATEWAY)] = _network.url(gateway.getsockname())
            pid = os.fork()
            if pid == 0:
                _supervisor.run(channel, fit, [listener, gateway], f"{self._home(fit)}/{TMP}")
        return pid

    def root(self, fit: Fit, layers: list[str], binds: list[tuple[str, str, bool]]) -> list[tuple[int, str]]:  # noqa: ARG002
        """Raises ``StepFailed``: without a mount namespace there is one root for all."""
        with Step("mount the layers of the image"):
            raise OSError(ENOSYS, "container images need isolation level A or B; this is level E")

    def foreign(self, architecture: str) -> None:
        """Raises ``StepFailed`` for a foreign architecture: without user namespaces it would be everybody's."""
        if architecture not in {"", _foreign.native()}:
            with Step(f"run programs for {architecture}"):
                raise OSError(ENOSYS, "emulated architectures need isolation level A or B; this is level E")

    def open(self, fit: Fit, binds: list[tuple[str, str, bool]], tmp_mb: int | None) -> list[tuple[int, str]]:  # noqa: ARG002
        """Link the sources of ``binds`` into the sandbox's directory; there is nothing to mount."""
        for source, target, _ in binds:
            with Step(f"link {source}"):
                os.stat(source)
                link = self._home(fit) + target
                if os.path.islink(link):
                    os.unlink(link)
                elif os.path.isdir(link):
                    os.rmdir(link)
                os.makedirs(os.path.dirname(link), exist_ok=True)
                os.symlink(source, link)
                self._names[fit][target] = link
        return []

    def connect(self, fit: Fit, pid: int) -> None:
        """Nothing to do: there is one network for all."""

    def address(self, fit: Fit) -> str:  # noqa: ARG002
        """None: the network of the host leads to the Internet, or does not."""
        return ""

    def attach(self, namespaces: list[int], mounts: list[tuple[int, str]]) -> None:
        """Nothing is mounted."""

    def connectable(self, namespaces: list[int]) -> socket.socket:  # noqa: ARG002
        """A TCP socket: all sandboxes share the host's network."""
        return _network.client()

    def kill(self, channel: socket.socket, pidfd: int) -> None:  # noqa: ARG002
        """Have the supervisor kill all below it, and end."""
        try:
            _messages.send(channel, {"kill": True})
        except OSError:
            # It has ended by itself just now, after killing all below it.
            return

    def names(self, fit: Fit) -> dict[str, str]:
        """What AWS's paths and address are called here."""
        return self._names[fit]

    def close(self) -> None:
        """Remove the directory of all sandboxes."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def _home(self, fit: Fit) -> str:
        return self._names[fit][STANDARD[0]].removesuffix(STANDARD[0])
