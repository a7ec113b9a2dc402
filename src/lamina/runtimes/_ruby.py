"""Ruby: an installation of each minor version, and how its bootstrap is started."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lamina.runtimes._interface import Runtime, RuntimeUnavailable
from lamina.runtimes._places import BOOTSTRAPS, LANGUAGE, LAYERS, LIBRARY_PATH, PATH, RUNTIME
from lamina.runtimes._search import SearchPath, entries, in_usr, installations, listed, may_be_bound, program
from lamina.sandbox import Bind

_NAME = re.compile(r"ruby(\d+\.\d+)")
_PROGRAM = re.compile(r"ruby(\d+\.\d+)?")
_DESCRIPTION = re.compile(rb"ruby (\d+)\.(\d+)\.(\d+)(?:p\d+|preview\d+|rc\d+|dev)? \(")
_OLDEST = (2, 5)

Version = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruby:
    """One Ruby: ``program`` is its real file, ``prefix`` the root of its installation."""

    version: Version
    program: Path
    prefix: Path

    def runtime(self, name: str) -> Runtime:
        """How ``name`` runs with it; one outside ``/usr`` is bound at ``/var/lang`` and told where its library is."""
        major, minor, patch = self.version
        interpreter, places = str(self.program), tuple[str, ...]()
        binds: tuple[Bind, ...] = (Bind(source=BOOTSTRAPS / "ruby", target=RUNTIME),)
        if not in_usr(self.program):
            interpreter = f"{LANGUAGE}/bin/{self.program.name}"
            places = tuple(f"-I{LANGUAGE}/{directory}" for directory in self._library())
            binds += (Bind(source=self.prefix, target=LANGUAGE),)
        return Runtime(
            name=name,
            argv=(interpreter, "--disable=gems", *places, f"{RUNTIME}/bootstrap.rb"),
            binds=binds,
            generic=True,
            version_label=f"ruby:{major}.{minor}.v{patch}",
            origin=str(self.program),
            environment={
                "PATH": PATH,
                "LD_LIBRARY_PATH": LIBRARY_PATH,
                "LC_CTYPE": "C.UTF-8",
                "GEM_HOME": RUNTIME,
                "GEM_PATH": _gem_path(f"{major}.{minor}.0"),
                "RUBYLIB": f"/var/task:{RUNTIME}/lib:{LAYERS}/ruby/lib",
                "LAMINA_LAYERS_ROOT": LAYERS,  # The bootstrap takes it away before the function starts.
            },
        )

    def _library(self) -> Iterator[str]:
        """The directories of its standard library, below its prefix. The one with compiled parts has rbconfig.rb."""
        base = f"lib/ruby/{self.version[0]}.{self.version[1]}.0"
        yield base
        for name in entries(self.prefix / base):
            if (self.prefix / base / name / "rbconfig.rb").is_file():
                yield f"{base}/{name}"


def _gem_path(api: str) -> str:
    return f"/var/task/vendor/bundle/ruby/{api}:{LAYERS}/ruby/gems/{api}:{RUNTIME}:{RUNTIME}/ruby/{api}"


class Rubies:
    """All ``ruby…``."""

    def __init__(self, search: SearchPath) -> None:
        self._search = search
        self._found = rubies(search)

    @property
    def names(self) -> tuple[str, ...]:
        """See ``Language``."""
        return tuple(f"ruby{major}.{minor}" for major, minor in self._found)

    def knows(self, name: str) -> bool:
        """See ``Language``."""
        return _NAME.fullmatch(name) is not None

    def resolve(self, name: str, chosen: Path | None = None) -> Runtime:
        """See ``Language``."""
        if chosen is not None:
            return _chosen(chosen).runtime(name)
        number = name.removeprefix("ruby")
        major, minor = map(int, number.split("."))
        ruby = self._found.get((major, minor))
        if ruby is None:
            programs, managed = listed(self._search.programs), listed(self._search.rubies)
            raise RuntimeUnavailable(
                f"No Ruby {number} was found: looked for ruby of version {number} in {programs},"
                f" and for {number}.* in {managed}"
            )
        return ruby.runtime(name)


def rubies(search: SearchPath) -> dict[tuple[int, int], Ruby]:
    """The preferred Ruby of each minor version, by version."""
    found: dict[tuple[int, int], Ruby] = {}
    for directory in dict.fromkeys((*search.programs, *installations(search.rubies))):
        for name in entries(directory):
            ruby = _ruby(directory / name) if _PROGRAM.fullmatch(name) else None
            if ruby and ruby.version[:2] >= _OLDEST:
                found.setdefault(ruby.version[:2], ruby)
    return dict(sorted(found.items()))


def _chosen(path: Path) -> Ruby:
    ruby = _ruby(path)
    if ruby is None or ruby.version[:2] < _OLDEST:
        raise RuntimeUnavailable(f"{path} is not the program ruby of a Ruby, {'.'.join(map(str, _OLDEST))} or newer")
    return ruby


def _ruby(path: Path) -> Ruby | None:
    real = program(path)
    if real is None:
        return None
    prefix = real.parent.parent
    if not in_usr(real) and not may_be_bound(prefix):
        return None
    # The interpreter describes itself, in the program or in the library that the program is a shell of.
    files = (real, *sorted(prefix.glob("lib/libruby*.so.*")), *sorted(prefix.glob("lib/*-linux-gnu*/libruby*.so.*")))
    for file in files:
        version = _described(file, real.name.removeprefix("ruby"))
        if version:
            return Ruby(version=version, program=real, prefix=prefix)
    return None


def _described(file: Path, number: str) -> Version | None:
    """The version in ``file``; of a program named after a version only the library of the same."""
    try:
        with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as image:
            match = _DESCRIPTION.search(image)
            version = (int(match[1]), int(match[2]), int(match[3])) if match else None
    except (OSError, ValueError):  # ValueError: a file of no bytes cannot be mapped
        return None
    return version if version and f"{version[0]}.{version[1]}".startswith(number) else None
