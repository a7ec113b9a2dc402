"""A runtime: the interpreter that a ``Runtime`` name stands for on this machine, and how it is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lamina.sandbox import Bind, native_architecture


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """How one ``Runtime`` name runs here.

    ``argv`` and the binds' targets are paths inside the sandbox. A ``generic`` runtime can wait ready before it
    knows its function: its bootstrap reads its environment from file descriptor 3 (see ``docs/architecture.md``).
    ``version_label`` is what INIT_START shows, such as ``python:3.12.v1``. ``architecture`` is that of the programs
    that the function brings, in the words of the API.
    """

    name: str
    argv: tuple[str, ...]
    binds: tuple[Bind, ...]
    generic: bool
    version_label: str
    environment: Mapping[str, str] = field(default_factory=dict)
    architecture: str = field(default_factory=native_architecture)


class RuntimeUnavailable(Exception):
    """No interpreter for the runtime was found; the message says what was looked for and where."""
