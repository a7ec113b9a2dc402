"""The OS-only runtimes: the function, or a layer, brings its own ``bootstrap``."""

from __future__ import annotations

from lamina.runtimes._interface import Runtime
from lamina.runtimes._places import BOOTSTRAPS, LIBRARY_PATH, PATH, RUNTIME
from lamina.sandbox import Bind

NAMES = ("provided", "provided.al2", "provided.al2023")


def provided(name: str) -> Runtime:
    """How an OS-only runtime starts: with ``/var/task/bootstrap``, or else ``/opt/bootstrap``."""
    return Runtime(
        name=name,
        argv=("/bin/sh", f"{RUNTIME}/bootstrap.sh"),
        binds=(Bind(source=BOOTSTRAPS / "provided", target=RUNTIME),),
        generic=False,
        version_label=f"{name.replace('.', ':')}.v1",
        environment={"PATH": PATH.removeprefix("/var/lang/bin:"), "LD_LIBRARY_PATH": LIBRARY_PATH},
    )
