"""``go1.x``: the function is a program; a translator stands between its old protocol and the Runtime API."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lamina.runtimes._interface import Runtime, RuntimeUnavailable
from lamina.runtimes._places import BOOTSTRAPS, LANGUAGE, LIBRARY_PATH, PATH, RUNTIME
from lamina.runtimes._python import Pythons
from lamina.runtimes._search import in_usr
from lamina.sandbox import Bind

_NAME = "go1.x"


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """``go1.x``. The translator runs with any Python 3 of the machine."""

    pythons: Pythons

    @property
    def names(self) -> tuple[str, ...]:
        """See ``Language``."""
        return (_NAME,) if self.pythons.newest else ()

    def knows(self, name: str) -> bool:
        """See ``Language``."""
        return name == _NAME

    def resolve(self, name: str, chosen: Path | None = None) -> Runtime:
        """See ``Language``."""
        if chosen is not None:
            raise RuntimeUnavailable(f"{name} has no interpreter: the function brings its own program")
        python = self.pythons.newest
        if python is None:
            raise RuntimeUnavailable(
                f"{name} needs a Python 3 for the translator of its protocol: {self.pythons.looked_for('3')}"
            )
        interpreter = str(python.program)
        binds: tuple[Bind, ...] = (Bind(source=BOOTSTRAPS / "go", target=RUNTIME),)
        if not in_usr(python.program):
            interpreter = f"{LANGUAGE}/bin/{python.program.name}"
            binds += (Bind(source=python.prefix, target=LANGUAGE),)
        return Runtime(
            name=name,
            argv=(interpreter, "-E", "-S", f"{RUNTIME}/bootstrap.py"),
            binds=binds,
            generic=False,
            version_label="go:1.x",
            origin=f"the function's program, through {python.program}",
            environment={"PATH": PATH, "LD_LIBRARY_PATH": LIBRARY_PATH},
        )
