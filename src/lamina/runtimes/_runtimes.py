"""All runtimes of this machine, by the names of the Lambda API."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lamina.runtimes._choices import Choice, Choices
from lamina.runtimes._dotnet import DotNets
from lamina.runtimes._go import Go
from lamina.runtimes._interface import Language, Runtime, RuntimeImage, RuntimeUnavailable
from lamina.runtimes._java import Javas
from lamina.runtimes._node import Nodes
from lamina.runtimes._provided import NAMES, provided
from lamina.runtimes._python import Pythons
from lamina.runtimes._python2 import Python2
from lamina.runtimes._ruby import Rubies
from lamina.runtimes._search import SearchPath
from lamina.sandbox import native_architecture


class Runtimes:
    """What ``Runtime`` names can run here. Nothing is started to find out: files are looked at."""

    def __init__(self, languages: Sequence[Language], lack: Callable[[str], str], choices: Choices) -> None:
        self._languages = languages
        self._lack = lack
        self._choices = choices
        self._chosen: Mapping[str, Choice] = {}
        self._resolved: dict[tuple[str, str], Runtime] = {}
        self._images: set[str] = set()

    @classmethod
    def discover(
        cls,
        search: SearchPath | None = None,
        lack: Callable[[str], str] | None = None,
        choices: Path | None = None,
    ) -> Runtimes:
        """Look for interpreters in the usual places of the machine, or in the given ones.

        ``lack`` says why programs for an architecture cannot run here, and nothing when they can: what the launcher's
        ``report.lack`` found out. Without it only this machine's own architecture runs. ``choices`` is the data folder
        in which the operator may have chosen otherwise. Raises ``ChoicesError``.
        """
        search = search or SearchPath.of_machine()
        pythons = Pythons(search)
        languages = (
            pythons,
            Python2(search=search),
            Nodes(search),
            Rubies(search),
            Javas(search),
            DotNets(search=search),
            Go(pythons=pythons),
        )
        return cls(languages, lack or _lack, Choices(choices))

    @property
    def names(self) -> tuple[str, ...]:
        """The names that have an interpreter here or were chosen one."""
        found = (name for language in self._languages for name in language.names)
        return tuple(dict.fromkeys((*found, *NAMES, *self._choices.read())))

    @property
    def chosen(self) -> Mapping[str, Choice]:
        """What the operator has chosen, by name."""
        return self._choices.read()

    def images_in_use(self) -> set[str]:
        """The digests of the images that runtimes run in, or have run in since this was made."""
        chosen = {choice.digest for choice in self._choices.read().values() if choice.image}
        return chosen | self._images

    def resolve(self, runtime_name: str, architecture: str = "") -> Runtime:
        """How the runtime runs here, for ``architecture`` (of the API) or that of this machine.

        What the operator has chosen comes before what was found. Raises ``RuntimeUnavailable``, which says what was
        looked for and where.
        """
        chosen = self._choices.read()
        if chosen is not self._chosen:
            self._chosen = chosen
            self._resolved.clear()
        key = (runtime_name, architecture or native_architecture())
        if key not in self._resolved:
            self._resolved[key] = self._resolve(*key)
        return self._resolved[key]

    def require(self, architecture: str) -> None:
        """Make sure that programs for ``architecture`` run here. Raises ``RuntimeUnavailable`` with the remedy."""
        lacking = self._lack(architecture)
        if lacking:
            raise RuntimeUnavailable(f"Programs for {architecture} cannot run here: {lacking}")

    def with_program(self, name: str, program: Path) -> Runtime:
        """How the runtime would run with a program of this machine. Raises ``RuntimeUnavailable`` if it could not."""
        language = self._language(name)
        if language is None:
            raise RuntimeUnavailable(f"{name} has no interpreter: the function brings its own program")
        return language.resolve(name, program)

    def _resolve(self, name: str, architecture: str) -> Runtime:
        choice = self._chosen.get(name)
        if choice is not None and choice.image and choice.architecture == architecture:
            self.require(architecture)
            self._images.add(choice.digest)
            return _in_image(name, choice)
        language = self._language(name)
        if language is None:
            self.require(architecture)
            return provided(name, architecture)
        if architecture != native_architecture():
            # The code might run on this machine's interpreter, but that would not be what was asked for.
            raise RuntimeUnavailable(_no_interpreter(name, architecture))
        return language.resolve(name, choice.path if choice else None)

    def _language(self, name: str) -> Language | None:
        """The language of a name; None for an OS-only runtime. Raises ``RuntimeUnavailable`` for no name at all."""
        if name in NAMES:
            return None
        language = next((each for each in self._languages if each.knows(name)), None)
        if language is None:
            raise RuntimeUnavailable(f"{name} is not a runtime that Lamina knows")
        return language


def _in_image(name: str, choice: Choice) -> Runtime:
    """A runtime in an image: started as the image says, but an OS-only one with the function's own program."""
    digest = choice.digest
    return Runtime(
        name=name,
        argv=("/var/task/bootstrap",) if name in NAMES else (),
        binds=(),
        generic=False,
        version_label=f"{name}@{digest.removeprefix('sha256:')[:12]}",
        architecture=choice.architecture,
        origin=choice.image,
        image=RuntimeImage(digest=digest, source=choice.image),
    )


def _lack(architecture: str) -> str:
    native = native_architecture()
    return "" if architecture == native else f"this machine is {native}, and nothing that emulates was found"


def _no_interpreter(name: str, architecture: str) -> str:
    return (
        f"The runtime {name} for {architecture} cannot run here: this machine's interpreters are for"
        f" {native_architecture()}. OS-only runtimes and container images can run emulated"
    )
