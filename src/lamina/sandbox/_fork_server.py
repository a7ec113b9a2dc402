"""The template's process: imports the bootstrap, then forks a sandbox for each request. Keeps to Python 3.8."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import socket
import sys

from lamina.sandbox import _init, _messages, _privileges, _seccomp, _syscalls
from lamina.sandbox._program import FAILURE, Fit
from lamina.sandbox._template import BOOTSTRAP, LIBRARY, SOCKET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from lamina.sandbox._messages import Message

CLONE_PARENT = 0x8000
ENTROPY_BYTES = 32


def main() -> None:
    """Serve until the launcher closes the socket."""
    server = socket.socket(fileno=SOCKET)
    os.set_inheritable(SOCKET, False)
    _privileges.die_with_parent()
    bootstrap = _import_bootstrap()
    seccomp = _seccomp.program(os.uname().machine)
    gc.collect()
    gc.freeze()
    _messages.send(server, {"ready": True})
    while True:
        try:
            message, descriptors = _messages.receive(server)
        except _messages.Closed:
            return
        fit = Fit.unpacked(message["fit"], seccomp, lambda order: _enter(order, bootstrap))
        pid = _syscalls.clone(_init.NAMESPACES | _syscalls.CLONE_NEWNS | CLONE_PARENT)
        if pid == 0:
            _be_first(descriptors, message["targets"], fit)
        for descriptor in descriptors:
            os.close(descriptor)
        _messages.send(server, {"pid": pid})


def _import_bootstrap() -> Callable[[], None]:
    """The bootstrap's ``main``, with the path as a script at its place would have it."""
    sys.path[0] = os.path.dirname(BOOTSTRAP)
    sys.argv = [BOOTSTRAP]
    import bootstrap  # type: ignore[import-not-found]

    entry: Callable[[], None] = bootstrap.main
    return entry


def _be_first(descriptors: list[int], targets: list[str], fit: Fit) -> NoReturn:
    try:
        _syscalls.unmount(LIBRARY)
        channel = socket.socket(fileno=descriptors[0])
        _init.run(channel, fit, list(zip(descriptors[1:], targets)))  # noqa: B905 - strict is Python 3.10
    finally:
        os._exit(1)


def _enter(order: Message, main: Callable[[], None]) -> None:
    """Be the program: what ``exec`` would have done, as far as that can be, and then the bootstrap."""
    # After an exec a process may look at its own /proc/self; a change of user takes that away.
    _syscalls.prctl(_syscalls.PR_SET_DUMPABLE, 1)
    os.close(FAILURE)
    os.environ.clear()
    os.environ.update(order["environment"])
    for name in [name for name in sys.modules if name.split(".")[0] == "lamina"]:
        del sys.modules[name]
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _renew_randomness()
    os._exit(_finish(main))


def _renew_randomness() -> None:
    """Two forks with the same process id would go on with the same numbers (OpenSSL looks at the id only)."""
    if "random" in sys.modules:
        sys.modules["random"].seed()
    if "ssl" in sys.modules:
        sys.modules["ssl"].RAND_add(os.urandom(ENTROPY_BYTES), ENTROPY_BYTES)
    if "_ssl" in sys.modules:
        sys.modules["_ssl"].RAND_add(os.urandom(ENTROPY_BYTES), ENTROPY_BYTES)


def _finish(main: Callable[[], None]) -> int:
    """Run the bootstrap to its end, as the interpreter does with a script; the exit status."""
    status = 0
    try:
        main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    atexit._run_exitfuncs()  # noqa: SLF001 - os._exit does not
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return status
