"""All runtimes of this machine, by the names of the Lambda API."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from lamina.runtimes._interface import Language, Runtime, RuntimeUnavailable
from lamina.runtimes._node import Nodes
from lamina.runtimes._provided import NAMES, provided
from lamina.runtimes._python import Pythons
from lamina.runtimes._ruby import Rubies
from lamina.runtimes._search import SearchPath
from lamina.sandbox import native_architecture

_LANGUAGES = {"java": "Java", "dotnet": ".NET", "go": "Go", "python": "Python 2"}


class Runtimes:
    """What ``Runtime`` names can run here. Nothing is started to find out: files are looked at."""

    def __init__(self, languages: Sequence[Language], lack: Callable[[str], str]) -> None:
        self._languages = languages
        self._lack = lack
        self._resolved: dict[tuple[str, str], Runtime] = {}

    @classmethod
    def discover(cls, search: SearchPath | None = None, lack: Callable[[str], str] | None = None) -> Runtimes:
        """Look for interpreters in the usual places of the machine, or in the given ones.

        ``lack`` says why programs for an architecture cannot run here, and nothing when they can: what the launcher's
        ``report.lack`` found out. Without it only this machine's own architecture runs.
        """
        search = search or SearchPath.of_machine()
        return cls((Pythons(search), Nodes(search), Rubies(search)), lack or _lack)

    @property
    def names(self) -> tuple[str, ...]:
        """The names that ``resolve`` has a runtime for."""
        return (*(name for language in self._languages for name in language.names), *NAMES)

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

    def _resolve(self, name: str, architecture: str, chosen: Path | None = None) -> Runtime:
        if name in NAMES:
            self.require(architecture)
            return provided(name, architecture)
        language = next((each for each in self._languages if each.knows(name)), None)
        if language is None:
            raise RuntimeUnavailable(_no_bootstrap(name))
        if architecture != native_architecture():
            # The code might run on this machine's interpreter, but that would not be what was asked for.
            raise RuntimeUnavailable(_no_interpreter(name, architecture))
        return language.resolve(name, chosen)


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
