"""Node.js: an installation of each major version, and how its bootstrap is started."""

from __future__ import annotations

import mmap
import re
from dataclasses import dataclass
from pathlib import Path

from lamina.runtimes._interface import Runtime, RuntimeUnavailable
from lamina.runtimes._places import BOOTSTRAPS, LANGUAGE, LIBRARY_PATH, PATH, RUNTIME
from lamina.runtimes._search import SearchPath, in_usr, installations, listed, may_be_bound, program
from lamina.sandbox import Bind

_NAME = re.compile(r"nodejs(\d+)\.x|nodejs(?:(\d+)\.\d+(?:-edge)?)?")
_OLDEST = 16
_NAMED = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")
_HEADER = re.compile(r"#define NODE_(MAJOR|MINOR|PATCH)_VERSION (\d+)")
_RELEASE_URL = b"/download/release/v"

Version = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One Node.js: ``program`` is its real file, ``prefix`` the root of its installation."""

    version: Version
    program: Path
    prefix: Path

    def runtime(self, name: str = "") -> Runtime:
        """How ``name``, or its own ``nodejs…``, runs with it; one outside ``/usr`` is bound at ``/var/lang``."""
        major, minor, patch = self.version
        interpreter = str(self.program)
        binds: tuple[Bind, ...] = (Bind(source=BOOTSTRAPS / "node", target=RUNTIME),)
        if not in_usr(self.program):
            interpreter = f"{LANGUAGE}/bin/{self.program.name}"
            binds += (Bind(source=self.prefix, target=LANGUAGE),)
        return Runtime(
            name=name or f"nodejs{major}.x",
            argv=(interpreter, f"{RUNTIME}/bootstrap.cjs"),
            binds=binds,
            generic=True,
            version_label=f"nodejs:{major}.v{minor}.{patch}",
            origin=str(self.program),
            environment={"PATH": PATH, "LD_LIBRARY_PATH": LIBRARY_PATH, "NODE_PATH": _node_path(major)},
        )


def _node_path(major: int) -> str:
    return (
        f"/opt/nodejs/node{major}/node_modules:/opt/nodejs/node_modules:"
        "/var/runtime/node_modules:/var/runtime:/var/task"
    )


class Nodes:
    """All ``nodejs…``; the bootstrap needs Node.js 16."""

    def __init__(self, search: SearchPath) -> None:
        self._search = search
        self._found = nodes(search)

    @property
    def names(self) -> tuple[str, ...]:
        """See ``Language``."""
        return tuple(f"nodejs{major}.x" for major in self._found)

    def knows(self, name: str) -> bool:
        """See ``Language``."""
        return _NAME.fullmatch(name) is not None

    def resolve(self, name: str, chosen: Path | None = None) -> Runtime:
        """See ``Language``."""
        if chosen is not None:
            return _chosen(chosen).runtime(name)
        match = _NAME.fullmatch(name)
        assert match is not None
        major = int(match[1] or match[2] or 0)  # ``nodejs`` was Node.js 0.10
        if major in self._found:
            return self._found[major].runtime()
        if major < _OLDEST:
            raise RuntimeUnavailable(
                f"The runtime {name} cannot run here: the bootstrap needs Node.js {_OLDEST} or newer."
                " A runtime image may have an older one"
            )
        programs, managed = listed(self._search.programs), listed(self._search.nodes)
        raise RuntimeUnavailable(
            f"No Node.js {major} was found: looked for node of version {major} in {programs},"
            f" and for v{major}.* in {managed}"
        )


def _chosen(path: Path) -> Node:
    node = _node(path)
    if node is None or node.version[0] < _OLDEST:
        raise RuntimeUnavailable(f"{path} is not the program node of a Node.js, {_OLDEST} or newer")
    return node


def nodes(search: SearchPath) -> dict[int, Node]:
    """The preferred Node.js of each major version, by major version."""
    found: dict[int, Node] = {}
    for directory in dict.fromkeys((*search.programs, *installations(search.nodes))):
        node = _node(directory / "node")
        if node and node.version[0] >= _OLDEST:
            found.setdefault(node.version[0], node)
    return dict(sorted(found.items()))


def _node(path: Path) -> Node | None:
    real = program(path)
    if real is None:
        return None
    prefix = real.parent.parent
    if not in_usr(real) and not may_be_bound(prefix):
        return None
    version = _named_version(path.parent) or _header_version(prefix) or _compiled_version(real)
    return Node(version=version, program=real, prefix=prefix) if version else None


def _named_version(directory: Path) -> Version | None:
    for part in (directory.parent.name, directory.parent.parent.name):
        match = _NAMED.search(part)
        if match:
            return int(match[1]), int(match[2]), int(match[3])
    return None


def _header_version(prefix: Path) -> Version | None:
    try:
        text = (prefix / "include/node/node_version.h").read_text()
    except OSError:
        return None
    numbers = {name: int(number) for name, number in _HEADER.findall(text)}
    return (numbers["MAJOR"], numbers["MINOR"], numbers["PATCH"]) if len(numbers) == 3 else None


def _compiled_version(file: Path) -> Version | None:
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as image:
        start = image.find(_RELEASE_URL)
        match = _NAMED.match(image[start + len(_RELEASE_URL) - 1 :][:20].decode("latin-1")) if start >= 0 else None
    return (int(match[1]), int(match[2]), int(match[3])) if match else None
