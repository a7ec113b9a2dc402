"""The launcher's process: ``python -I -S _launch.py``, a socket and what ``_start_up.main`` takes beside it; or that of
a template: ``python _launch.py template``.

It imports its own files and little else: the package's ``__init__``, with the server's half and asyncio, is not run.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType


def adopt_package() -> None:
    """Make ``lamina.sandbox`` importable without running any ``__init__``."""
    here = os.path.dirname(os.path.abspath(__file__))
    module: type[ModuleType] = type(sys)
    for name, path in (("lamina", os.path.dirname(here)), ("lamina.sandbox", here)):
        package = module(name)
        package.__path__ = [path]
        sys.modules[name] = package


if __name__ == "__main__":
    adopt_package()
    if sys.argv[1] == "template":
        from lamina.sandbox import _fork_server

        _fork_server.main()
    else:
        from lamina.sandbox import _start_up

        _start_up.main(sys.argv[1:])
