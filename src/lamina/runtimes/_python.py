"""Python: an installation of each minor version, and how its bootstrap is started."""

from __future__ import annotations

import mmap
import re
from dataclasses import dataclass
from pathlib import Path

from lamina.runtimes._interface import Runtime, RuntimeUnavailable
from lamina.runtimes._places import BOOTSTRAPS, LANGUAGE, LAYERS, LIBRARY_PATH, PATH, RUNTIME
from lamina.runtimes._sdk import sdk_binds
from lamina.runtimes._search import SearchPath, entries, in_usr, installations, listed, may_be_bound, program
from lamina.sandbox import Bind

_PROGRAM = re.compile(r"python3\.(\d+)")
_OLDEST = 6
_NO_SITE = "-S"  # The host's own site-packages are no part of the runtime, and starting without them is quicker.


@dataclass(frozen=True, slots=True, kw_only=True)
class Python:
    """One interpreter: ``program`` is its real file, ``prefix`` the root of its installation."""

    minor: int
    program: Path
    prefix: Path

    def runtime(self, name: str = "") -> Runtime:
        """How ``name``, or its own ``python3.x``, runs with it; one outside ``/usr`` is bound at ``/var/lang``."""
        interpreter = str(self.program)
        binds: tuple[Bind, ...] = (Bind(source=BOOTSTRAPS / "python", target=RUNTIME), *sdk_binds(self.minor))
        if not in_usr(self.program):
            interpreter = f"{LANGUAGE}/bin/{self.program.name}"
            binds += (Bind(source=self.prefix, target=LANGUAGE),)
        return Runtime(
            name=name or f"python3.{self.minor}",
            argv=(interpreter, _NO_SITE, f"{RUNTIME}/bootstrap.py"),
            binds=binds,
            generic=True,
            version_label=f"python:3.{self.minor}.v{self.patch()}",
            origin=str(self.program),
            bytecode=f"cpython-3{self.minor}",
            environment={
                "PATH": PATH,
                "LD_LIBRARY_PATH": LIBRARY_PATH,
                "PYTHONPATH": RUNTIME,
                "LC_CTYPE": "C.UTF-8",
                "LAMINA_LAYERS_ROOT": LAYERS,  # The bootstrap takes it away before the function starts.
            },
        )

    def patch(self) -> int:
        """The last number of the version, from the installation's name or else out of the program itself."""
        named = re.search(rf"3\.{self.minor}\.(\d+)", self.prefix.name)
        if named:
            return int(named[1])
        compiled = re.compile(rb"\x003\.%d\.(\d+)[a-z0-9+]*\x00" % self.minor)
        libraries = sorted(self.prefix.glob(f"lib*/libpython3.{self.minor}*.so.*"))
        for file in (self.program, *libraries):
            with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as image:
                found = compiled.search(image)
                if found:
                    return int(found[1])
        return 0


class Pythons:
    """All ``python3.x``."""

    def __init__(self, search: SearchPath) -> None:
        self._search = search
        self._found = pythons(search)

    @property
    def names(self) -> tuple[str, ...]:
        """See ``Language``."""
        return tuple(f"python3.{minor}" for minor in self._found)

    @property
    def newest(self) -> Python | None:
        """The newest of them."""
        return self._found[max(self._found)] if self._found else None

    def looked_for(self, number: str) -> str:
        """Where an interpreter of the version ``number`` was looked for."""
        programs, managed = listed(self._search.programs), listed(self._search.pythons)
        return f"looked for python{number} in {programs}, and for {number}.* in {managed}"

    def knows(self, name: str) -> bool:
        """See ``Language``."""
        return _PROGRAM.fullmatch(name) is not None

    def resolve(self, name: str, chosen: Path | None = None) -> Runtime:
        """See ``Language``."""
        minor = int(name.removeprefix("python3."))
        python = self._found.get(minor) if chosen is None else _chosen(chosen)
        if python is None:
            raise RuntimeUnavailable(f"No Python 3.{minor} was found: {self.looked_for(f'3.{minor}')}")
        return python.runtime(name)


def _chosen(path: Path) -> Python:
    match = _PROGRAM.fullmatch(path.resolve().name)
    python = _python(int(match[1]), path) if match and int(match[1]) >= _OLDEST else None
    if python is None:
        raise RuntimeUnavailable(f"{path} is not the program python3.x of a whole Python, 3.{_OLDEST} or newer")
    return python


def pythons(search: SearchPath) -> dict[int, Python]:
    """The preferred interpreter of each minor version of Python 3, by minor version.

    A program of PATH comes before those of version managers, and of these the highest patch version first.
    """
    found: dict[int, Python] = {}
    for directory in dict.fromkeys((*search.programs, *installations(search.pythons))):
        for name in entries(directory):
            match = _PROGRAM.fullmatch(name)
            if match and int(match[1]) >= _OLDEST and int(match[1]) not in found:
                python = _python(int(match[1]), directory / name)
                if python:
                    found[python.minor] = python
    return dict(sorted(found.items()))


def _python(minor: int, path: Path) -> Python | None:
    real = program(path)
    if real is None or _PROGRAM.fullmatch(real.name) is None:
        return None
    prefix = real.parent.parent
    if not in_usr(real) and not may_be_bound(prefix):
        return None
    # An interpreter finds its library by this landmark, also when the installation stands elsewhere.
    landmarks = (prefix / lib / f"python3.{minor}/os.py" for lib in ("lib", "lib64"))
    return Python(minor=minor, program=real, prefix=prefix) if any(map(Path.is_file, landmarks)) else None
