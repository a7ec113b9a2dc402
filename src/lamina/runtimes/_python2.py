"""Python 2.7, which AWS has ended and some functions have not."""

from __future__ import annotations

import mmap
import re
from dataclasses import dataclass
from pathlib import Path

from lamina.runtimes._interface import Runtime, RuntimeUnavailable
from lamina.runtimes._places import BOOTSTRAPS, LANGUAGE, LAYERS, LIBRARY_PATH, PATH, RUNTIME
from lamina.runtimes._search import SearchPath, in_usr, installations, listed, may_be_bound, program
from lamina.sandbox import Bind

_NAME = "python2.7"
_VERSION = re.compile(rb"\x002\.7\.(\d+)[a-z0-9+]*\x00")


@dataclass(frozen=True, slots=True, kw_only=True)
class Python2:
    """``python2.7``, with the one interpreter that ``search`` finds."""

    search: SearchPath

    @property
    def names(self) -> tuple[str, ...]:
        """See ``Language``."""
        return (_NAME,) if self._found() else ()

    def knows(self, name: str) -> bool:
        """See ``Language``."""
        return name == _NAME

    def resolve(self, name: str, chosen: Path | None = None) -> Runtime:
        """See ``Language``."""
        if chosen is not None:
            real = _whole(chosen)
            if real is None:
                raise RuntimeUnavailable(f"{chosen} is not the program {name} of a whole Python 2.7")
            return _runtime(real)
        found = self._found()
        if found is None:
            programs, managed = listed(self.search.programs), listed(self.search.pythons)
            raise RuntimeUnavailable(
                f"No Python 2.7 was found: looked for {name} in {programs}, and for 2.7.* in {managed}"
            )
        return _runtime(found)

    def _found(self) -> Path | None:
        directories = dict.fromkeys((*self.search.programs, *installations(self.search.pythons)))
        return next(filter(None, (_whole(directory / _NAME) for directory in directories)), None)


def _whole(path: Path) -> Path | None:
    """The real file of a program ``python2.7`` that has its library beside it."""
    real = program(path)
    if real is None or real.name != _NAME:
        return None
    prefix = real.parent.parent
    may_be_seen = in_usr(real) or may_be_bound(prefix)
    return real if may_be_seen and (prefix / "lib/python2.7/os.py").is_file() else None


def _runtime(file: Path) -> Runtime:
    interpreter = str(file)
    binds: tuple[Bind, ...] = (Bind(source=BOOTSTRAPS / "python2", target=RUNTIME),)
    if not in_usr(file):
        interpreter = f"{LANGUAGE}/bin/{file.name}"
        binds += (Bind(source=file.parent.parent, target=LANGUAGE),)
    return Runtime(
        name=_NAME,
        argv=(interpreter, "-u", "-S", f"{RUNTIME}/bootstrap.py"),
        binds=binds,
        generic=True,
        version_label=f"python:2.7.v{_patch(file)}",
        origin=str(file),
        environment={
            "PATH": PATH,
            "LD_LIBRARY_PATH": LIBRARY_PATH,
            "PYTHONPATH": RUNTIME,
            "PYTHONIOENCODING": "UTF-8",  # Python 2 takes ASCII for a pipe.
            "PYTHONDONTWRITEBYTECODE": "1",  # The code is read-only, and there is no __pycache__ yet.
            "LC_CTYPE": "C.UTF-8",
            "LAMINA_LAYERS_ROOT": LAYERS,  # The bootstrap takes it away before the function starts.
        },
    )


def _patch(file: Path) -> int:
    named = re.search(r"2\.7\.(\d+)", file.parent.parent.name)
    if named:
        return int(named[1])
    for each in (file, *sorted(file.parent.parent.glob("lib*/libpython2.7.so*"))):
        with each.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as image:
            match = _VERSION.search(image)
            if match:
                return int(match[1])
    return 0
