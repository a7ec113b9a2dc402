"""The OS-only runtimes: the function, or a layer, brings its own ``bootstrap``."""

from __future__ import annotations

from lamina.runtimes._interface import Runtime
from lamina.runtimes._places import BOOTSTRAPS, LANGUAGE, LAYERS, LIBRARY_PATH, PATH, RUNTIME
from lamina.sandbox import Bind

NAMES = ("provided", "provided.al2", "provided.al2023", "custom")


def provided(name: str, architecture: str) -> Runtime:
    """How an OS-only runtime starts: with ``/var/task/bootstrap``, or else ``/opt/bootstrap``.

    Of a foreign architecture these must be statically linked: what else a sandbox has is this machine's.
    """
    return Runtime(
        name=name,
        argv=("/bin/sh", f"{RUNTIME}/bootstrap.sh"),
        binds=(Bind(source=BOOTSTRAPS / "provided", target=RUNTIME),),
        generic=False,
        version_label=f"{name.replace('.', ':')}.v1",
        architecture=architecture,
        environment={
            "PATH": PATH.removeprefix(f"{LANGUAGE}/bin:"),
            "LD_LIBRARY_PATH": LIBRARY_PATH.removeprefix(f"{LANGUAGE}/lib:"),
            "LAMINA_LAYERS_ROOT": LAYERS,  # The launching script takes it away before the function starts.
        },
    )
