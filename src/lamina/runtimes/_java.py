"""Java: an installation of each major version, and how its bootstrap is started."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lamina.runtimes._interface import Runtime, RuntimeUnavailable
from lamina.runtimes._places import BOOTSTRAPS, LANGUAGE, LIBRARY_PATH, PATH, RUNTIME
from lamina.runtimes._search import SearchPath, entries, in_usr, listed, may_be_bound, program
from lamina.sandbox import Bind, native_architecture

_NAME = re.compile(r"java(\d+)(?:\.al2|\.al2023)?")
_SYSTEMS = {8: ("", ".al2", ".al2023"), 11: ("", ".al2023"), 17: ("", ".al2023"), 21: ("",), 25: ("",)}
_OLDEST = 8
_RELEASE = re.compile(r'^(JAVA_VERSION|OS_ARCH)="([^"]*)"', re.MULTILINE)
_ARCHITECTURES = {"amd64": "x86_64", "x86_64": "x86_64", "aarch64": "arm64"}
_FLAGS = (
    "-XX:-UsePerfData",  # It would keep a file in /tmp.
    "-Xshare:auto",
    "-Djava.net.preferIPv4Stack=true",
    # The locale of the environment need not exist on the host, and then text would be ASCII.
    "-Dfile.encoding=UTF-8",
    "-Dsun.jnu.encoding=UTF-8",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Java:
    """One Java: ``program`` is its real file, ``prefix`` the root of its installation."""

    major: int
    version: str
    program: Path
    prefix: Path

    @property
    def names(self) -> tuple[str, ...]:
        """The ``Runtime`` names that it runs; the operating system in them makes no difference."""
        return tuple(f"java{self.major}{system}" for system in _SYSTEMS.get(self.major, ()))

    def runtime(self, name: str) -> Runtime:
        """How the runtime runs with it. The installation is bound at ``/var/lang`` wherever it is."""
        launcher = f"{LANGUAGE}/{self.program.relative_to(self.prefix)}"
        patch = (re.findall(r"\d+", self.version.removeprefix("1.")) or ["0"])[-1]
        return Runtime(
            name=name,
            argv=("/bin/sh", f"{RUNTIME}/bootstrap", launcher, *_FLAGS),
            binds=(
                Bind(source=BOOTSTRAPS / "java/runtime", target=RUNTIME),
                Bind(source=self.prefix, target=LANGUAGE),
            ),
            generic=False,
            version_label=f"{name.replace('java', 'java:', 1)}.v{patch}",
            origin=str(self.program),
            environment={"PATH": PATH, "LD_LIBRARY_PATH": LIBRARY_PATH},
        )


class Javas:
    """All ``java…``; a name runs with a Java of just its major version."""

    title = "Java"

    def __init__(self, search: SearchPath) -> None:
        self._search = search
        self._found = javas(search)

    @property
    def names(self) -> tuple[str, ...]:
        """See ``Language``."""
        return tuple(name for java in self._found.values() for name in java.names)

    def knows(self, name: str) -> bool:
        """See ``Language``."""
        return _NAME.fullmatch(name) is not None

    def resolve(self, name: str, chosen: Path | None = None) -> Runtime:
        """See ``Language``."""
        if chosen is not None:
            return _chosen(chosen).runtime(name)
        match = _NAME.fullmatch(name)
        assert match is not None
        major = int(match[1])
        if major in self._found:
            return self._found[major].runtime(name)
        programs = listed((*self._search.java_homes, *self._search.programs))
        raise RuntimeUnavailable(
            f"No Java {major} was found for {name}: looked for java of version {major} in {programs},"
            f" and for installations in {listed(self._search.javas)}"
        )


def _chosen(path: Path) -> Java:
    java = _java(path)
    if java is None:
        raise RuntimeUnavailable(
            f"{path} is not the program java of a Java {_OLDEST} or newer with a file named release"
        )
    return java


def javas(search: SearchPath) -> dict[int, Java]:
    """The preferred Java of each major version: that of ``JAVA_HOME`` or PATH, else the newest of the other places."""
    installed = [Path(directory) / name for directory in search.javas for name in entries(directory)]
    rest = [java for prefix in installed if (java := _java(prefix / "bin/java"))]
    rest.sort(key=lambda java: [int(number) for number in re.findall(r"\d+", java.version)], reverse=True)
    first = (_java(directory / "java") for directory in dict.fromkeys((*search.java_homes, *search.programs)))
    found: dict[int, Java] = {}
    for java in (*first, *rest):
        if java is not None:
            found.setdefault(java.major, java)
    return dict(sorted(found.items()))


def _java(path: Path) -> Java | None:
    real = program(path)
    if real is None or real.parent.name != "bin":
        return None
    prefix = real.parent.parent
    if prefix.name == "jre" and not (prefix / "release").is_file():
        prefix = prefix.parent  # A JDK 8 keeps its JRE in a directory of its own.
    if not in_usr(real) and not may_be_bound(prefix):
        return None
    try:
        release = dict(_RELEASE.findall((prefix / "release").read_text(errors="replace")))
    except OSError:
        return None
    version = release.get("JAVA_VERSION", "")
    match = re.match(r"(?:1\.)?(\d+)", version)
    foreign = _ARCHITECTURES.get(release.get("OS_ARCH", ""), native_architecture()) != native_architecture()
    if match is None or foreign or int(match[1]) < _OLDEST:
        return None
    return Java(major=int(match[1]), version=version, program=real, prefix=prefix)
