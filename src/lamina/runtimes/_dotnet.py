""".NET: a shared framework of the right version, and the program that starts an executable assembly with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lamina.runtimes._interface import Runtime, RuntimeUnavailable
from lamina.runtimes._places import BOOTSTRAPS, LANGUAGE, LIBRARY_PATH, PATH, RUNTIME
from lamina.runtimes._search import SearchPath, entries, in_usr, listed, may_be_bound, program
from lamina.sandbox import Bind

_NAME = re.compile(r"dotnet(?:core(\d+\.\d+)|(\d+))")
_FRAMEWORK = "shared/Microsoft.NETCore.App"
_VERSION = re.compile(r"\d+(\.\d+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class DotNets:
    """All ``dotnet…``: each with a framework of exactly its version."""

    search: SearchPath

    @property
    def names(self) -> tuple[str, ...]:
        """See ``Language``."""
        versions = {version for root in self._roots() for version in _versions(root)}
        names = {
            f"dotnet{version[0]}" if version[0] >= 5 else f"dotnetcore{version[0]}.{version[1]}" for version in versions
        }
        return tuple(sorted(names))

    def knows(self, name: str) -> bool:
        """See ``Language``."""
        return _NAME.fullmatch(name) is not None

    def resolve(self, name: str, chosen: Path | None = None) -> Runtime:
        """See ``Language``."""
        number = name.removeprefix("dotnetcore").removeprefix("dotnet")
        roots = self._roots() if chosen is None else _chosen(chosen)
        for root in roots:
            for version in _versions(root):
                shown = ".".join(map(str, version))
                if f"{shown}.".startswith(f"{number}."):
                    return _runtime(name, number, shown, root / "dotnet")
        if chosen is not None:
            raise RuntimeUnavailable(f"{chosen} has no .NET {number} beside it, in {_FRAMEWORK}")
        raise RuntimeUnavailable(
            f"No .NET {number} was found: looked for dotnet in {listed(self.search.programs)},"
            f" and for {_FRAMEWORK}/{number}.* in {listed(self.search.dotnets)}"
        )

    def _roots(self) -> list[Path]:
        """The directories with a program ``dotnet`` and frameworks."""
        directories = (*self.search.programs, *self.search.dotnets)
        found = (program(directory / "dotnet") for directory in directories)
        return list(dict.fromkeys(real.parent for real in found if real is not None and _may_be_seen(real.parent)))


def _may_be_seen(root: Path) -> bool:
    return in_usr(root) or may_be_bound(root)


def _chosen(path: Path) -> Iterator[Path]:
    real = program(path)
    if real is None or real.name != "dotnet" or not _may_be_seen(real.parent):
        raise RuntimeUnavailable(f"{path} is not the program dotnet of a .NET")
    yield real.parent


def _versions(root: Path) -> list[tuple[int, ...]]:
    """The frameworks of an installation, the newest first; previews are left aside."""
    names = (name for name in entries(root / _FRAMEWORK) if _VERSION.fullmatch(name))
    return sorted((tuple(map(int, name.split("."))) for name in names), reverse=True)


def _runtime(name: str, number: str, version: str, file: Path) -> Runtime:
    root = str(file.parent)
    binds: tuple[Bind, ...] = (Bind(source=BOOTSTRAPS / "dotnet", target=RUNTIME),)
    if not in_usr(file):
        root = LANGUAGE
        binds += (Bind(source=file.parent, target=LANGUAGE),)
    return Runtime(
        name=name,
        argv=("/bin/sh", f"{RUNTIME}/bootstrap.sh", f"{root}/dotnet"),
        binds=binds,
        generic=False,
        version_label=f"dotnet:{number}.v{version.removeprefix(number).lstrip('.')}",
        origin=str(file),
        environment={
            "PATH": PATH,
            "LD_LIBRARY_PATH": LIBRARY_PATH,
            "DOTNET_ROOT": root,
            "DOTNET_CLI_TELEMETRY_OPTOUT": "1",
            "LAMBDA_RUNTIME_NAME": name,
        },
    )
