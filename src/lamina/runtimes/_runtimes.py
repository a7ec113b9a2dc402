"""All runtimes of this machine, by the names of the Lambda API."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lamina.runtimes._interface import Runtime, RuntimeUnavailable
from lamina.runtimes._node import Node, nodes
from lamina.runtimes._provided import NAMES, provided
from lamina.runtimes._python import Python, pythons
from lamina.runtimes._search import SearchPath

_PYTHON = re.compile(r"python3\.(\d+)")
_NODE = re.compile(r"nodejs(\d+)\.x")
_LANGUAGES = {"java": "Java", "ruby": "Ruby", "dotnet": ".NET", "go": "Go", "python": "Python 2", "nodejs": "Node.js"}


class Runtimes:
    """What ``Runtime`` names can run here. Nothing is started to find out: files are looked at."""

    def __init__(
        self, search: SearchPath, found_pythons: Mapping[int, Python], found_nodes: Mapping[int, Node]
    ) -> None:
        self._search = search
        self._pythons = found_pythons
        self._nodes = found_nodes
        self._resolved: dict[str, Runtime] = {}

    @classmethod
    def discover(cls, search: SearchPath | None = None) -> Runtimes:
        """Look for interpreters in the usual places of the machine, or in the given ones."""
        search = search or SearchPath.of_machine()
        return cls(search, pythons(search), nodes(search))

    @property
    def names(self) -> tuple[str, ...]:
        """The names that ``resolve`` has a runtime for."""
        found_pythons = (f"python3.{minor}" for minor in self._pythons)
        return (*found_pythons, *(f"nodejs{major}.x" for major in self._nodes), *NAMES)

    def resolve(self, runtime_name: str) -> Runtime:
        """How the runtime runs here. Raises ``RuntimeUnavailable``, which says what was looked for and where."""
        if runtime_name not in self._resolved:
            self._resolved[runtime_name] = self._resolve(runtime_name)
        return self._resolved[runtime_name]

    def _resolve(self, name: str) -> Runtime:
        if name in NAMES:
            return provided(name)
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


def _no_bootstrap(name: str) -> str:
    match = re.match(r"[a-z]+", name)
    language = _LANGUAGES.get(match[0]) if match else None
    if language is None:
        return f"{name} is not a runtime that Lamina knows"
    return f"The runtime {name} cannot run here: this build of Lamina has no bootstrap for {language} yet"
