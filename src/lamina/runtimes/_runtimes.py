"""All runtimes of this machine, by the names of the Lambda API."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from lamina.runtimes._interface import Runtime, RuntimeUnavailable
from lamina.runtimes._node import Node, nodes
from lamina.runtimes._provided import NAMES, provided
from lamina.runtimes._python import Python, pythons
from lamina.runtimes._search import SearchPath
from lamina.sandbox import native_architecture

_PYTHON = re.compile(r"python3\.(\d+)")
_NODE = re.compile(r"nodejs(\d+)\.x")
_LANGUAGES = {"java": "Java", "ruby": "Ruby", "dotnet": ".NET", "go": "Go", "python": "Python 2", "nodejs": "Node.js"}


class Runtimes:
    """What ``Runtime`` names can run here. Nothing is started to find out: files are looked at."""

    def __init__(
        self,
        search: SearchPath,
        found_pythons: Mapping[int, Python],
        found_nodes: Mapping[int, Node],
        lack: Callable[[str], str],
    ) -> None:
        self._search = search
        self._lack = lack
        self._pythons = found_pythons
        self._nodes = found_nodes
        self._resolved: dict[tuple[str, str], Runtime] = {}

    @classmethod
    def discover(cls, search: SearchPath | None = None, lack: Callable[[str], str] | None = None) -> Runtimes:
        """Look for interpreters in the usual places of the machine, or in the given ones.

        ``lack`` says why programs for an architecture cannot run here, and nothing when they can: what the launcher's
        ``report.lack`` found out. Without it only this machine's own architecture runs.
        """
        search = search or SearchPath.of_machine()
        return cls(search, pythons(search), nodes(search), lack or _lack)

    @property
    def names(self) -> tuple[str, ...]:
        """The names that ``resolve`` has a runtime for."""
        found_pythons = (f"python3.{minor}" for minor in self._pythons)
        return (*found_pythons, *(f"nodejs{major}.x" for major in self._nodes), *NAMES)

    def resolve(self, runtime_name: str, architecture: str = "") -> Runtime:
        """How the runtime runs here, for ``architecture`` (of the API) or that of this machine.

        Raises ``RuntimeUnavailable``, which says what was looked for and where.
        """
        key = (runtime_name, architecture or native_architecture())
        if key not in self._resolved:
            self._resolved[key] = self._resolve(*key)
        return self._resolved[key]

    def require(self, architecture: str) -> None:
        """Make sure that programs for ``architecture`` run here. Raises ``RuntimeUnavailable`` with the remedy."""
        lacking = self._lack(architecture)
        if lacking:
            raise RuntimeUnavailable(f"Programs for {architecture} cannot run here: {lacking}")

    def _resolve(self, name: str, architecture: str) -> Runtime:
        if name in NAMES:
            self.require(architecture)
            return provided(name, architecture)
        if architecture != native_architecture() and (_PYTHON.fullmatch(name) or _NODE.fullmatch(name)):
            # The code might run on this machine's interpreter, but that would not be what was asked for.
            raise RuntimeUnavailable(_no_interpreter(name, architecture))
        if match := _PYTHON.fullmatch(name):
            return self._python(int(match[1]))
        if match := _NODE.fullmatch(name):
            return self._node(int(match[1]))
        raise RuntimeUnavailable(_no_bootstrap(name))

    def _python(self, minor: int) -> Runtime:
        if minor in self._pythons:
            return self._pythons[minor].runtime()
        programs = _listed(self._search.programs)
        managed = _listed(self._search.pythons)
        raise RuntimeUnavailable(
            f"No Python 3.{minor} was found: looked for python3.{minor} in {programs}, and for 3.{minor}.* in {managed}"
        )

    def _node(self, major: int) -> Runtime:
        if major in self._nodes:
            return self._nodes[major].runtime()
        programs = _listed(self._search.programs)
        managed = _listed(self._search.nodes)
        raise RuntimeUnavailable(
            f"No Node.js {major} was found: looked for node of version {major} in {programs},"
            f" and for v{major}.* in {managed}"
        )


def _listed(places: tuple[object, ...]) -> str:
    return ", ".join(dict.fromkeys(map(str, places))) or "no directory"


def _lack(architecture: str) -> str:
    native = native_architecture()
    return "" if architecture == native else f"this machine is {native}, and nothing that emulates was found"


def _no_interpreter(name: str, architecture: str) -> str:
    return (
        f"The runtime {name} for {architecture} cannot run here: this machine's interpreters are for"
        f" {native_architecture()}. OS-only runtimes and container images can run emulated"
    )


def _no_bootstrap(name: str) -> str:
    match = re.match(r"[a-z]+", name)
    language = _LANGUAGES.get(match[0]) if match else None
    if language is None:
        return f"{name} is not a runtime that Lamina knows"
    return f"The runtime {name} cannot run here: this build of Lamina has no bootstrap for {language} yet"
