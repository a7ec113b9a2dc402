"""A runtime: the interpreter that a ``Runtime`` name stands for on this machine, and how it is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from lamina.sandbox import Bind, native_architecture


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeImage:
    """A container image that a runtime runs in: its digest, and the resolved URI that it is fetched from."""

    digest: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """How one ``Runtime`` name runs here.

    ``argv`` and the binds' targets are paths inside the sandbox. A ``generic`` runtime can wait ready before it
    knows its function: its bootstrap reads its environment from file descriptor 3 (see ``docs/architecture.md``).
    ``version_label`` is what INIT_START shows, such as ``python:3.12.v1``. ``architecture`` is that of the programs
    that the function brings, in the words of the API.

    ``origin`` is where the interpreter comes from: a file of this machine, or an image. With an ``image`` its root file
    system takes the place of the host's, its entry point that of ``argv``, and nothing but the code is mounted into it.
    ``bytecode`` is the tag of the files that the interpreter reads in ``__pycache__``.
    """

    name: str
    argv: tuple[str, ...]
    binds: tuple[Bind, ...]
    generic: bool
    version_label: str
    environment: Mapping[str, str] = field(default_factory=dict)
    architecture: str = field(default_factory=native_architecture)
    origin: str = ""
    image: RuntimeImage | None = None
    bytecode: str = ""

    @property
    def key(self) -> str:
        """The same for all runtimes that a waiting process of this one could serve as."""
        return f"{self.name} {self.origin}"


class RuntimeUnavailable(Exception):
    """No interpreter for the runtime was found; the message says what was looked for and where."""


class Language(Protocol):
    """The runtimes of one language: their names, and what this machine has for them."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names that have an interpreter here."""

    def knows(self, name: str) -> bool:
        """Whether ``name`` is one of this language's, here or not."""

    def resolve(self, name: str, chosen: Path | None = None) -> Runtime:
        """How ``name`` runs, with the program ``chosen`` by the operator or the one that was found.

        Raises ``RuntimeUnavailable``, which says what was looked for and where, or what is wrong with ``chosen``.
        """
