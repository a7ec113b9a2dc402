"""Where interpreters may be: directories of programs, and directories of whole installations."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_SYSTEM = (Path("/usr/bin"), Path("/usr/local/bin"))
_SCRIPT = b"#!"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPath:
    """The places to look at, in order of preference.

    ``programs`` are directories with programs in them. ``pythons``, ``nodes`` and ``rubies`` are directories that a
    version manager keeps: each directory in them, or two levels deeper for fnm, is one installation with a ``bin``.
    ``dotnets`` are directories that may be a ``DOTNET_ROOT``. ``javas`` hold installations of Java, and ``java_homes``
    are directories with a program ``java`` that comes even before those of ``programs``.
    """

    programs: tuple[Path, ...]
    pythons: tuple[Path, ...] = ()
    nodes: tuple[Path, ...] = ()
    rubies: tuple[Path, ...] = ()
    dotnets: tuple[Path, ...] = ()
    javas: tuple[Path, ...] = ()
    java_homes: tuple[Path, ...] = ()

    @classmethod
    def of_machine(cls, environ: Mapping[str, str] | None = None, home: Path | None = None) -> SearchPath:
        """The usual places of a machine, as the environment variables of the version managers move them."""
        variables = os.environ if environ is None else environ
        home = home or Path.home()
        data = Path(variables.get("XDG_DATA_HOME") or home / ".local/share")
        asdf = Path(variables.get("ASDF_DATA_DIR") or home / ".asdf") / "installs"
        dotnet_root = variables.get("DOTNET_ROOT", "")
        java_home = variables.get("JAVA_HOME", "")
        path = (Path(entry) for entry in variables.get("PATH", "").split(os.pathsep) if entry.startswith("/"))
        return cls(
            programs=(*path, *_SYSTEM),
            pythons=(
                Path(variables.get("PYENV_ROOT") or home / ".pyenv") / "versions",
                Path(variables.get("UV_PYTHON_INSTALL_DIR") or data / "uv/python"),
                asdf / "python",
                Path("/opt"),
                Path("/opt/python"),
            ),
            nodes=(
                Path(variables.get("NVM_DIR") or home / ".nvm") / "versions/node",
                Path(variables.get("FNM_DIR") or data / "fnm") / "node-versions",
                asdf / "nodejs",
                Path("/opt"),
            ),
            rubies=(
                Path(variables.get("RBENV_ROOT") or home / ".rbenv") / "versions",
                asdf / "ruby",
                home / ".rubies",
                Path("/opt"),
                Path("/opt/rubies"),
            ),
            dotnets=(
                *((Path(dotnet_root),) if dotnet_root.startswith("/") else ()),
                home / ".dotnet",
                Path("/usr/share/dotnet"),
                Path("/usr/lib/dotnet"),
                Path("/usr/lib64/dotnet"),
                Path("/opt/dotnet"),
            ),
            javas=(
                Path("/usr/lib/jvm"),
                Path(variables.get("SDKMAN_DIR") or home / ".sdkman") / "candidates/java",
                asdf / "java",
                Path("/opt"),
                Path("/opt/java"),
            ),
            java_homes=(Path(java_home) / "bin",) if java_home.startswith("/") else (),
        )


def entries(directory: Path) -> list[str]:
    """The names in a directory; one that is missing or may not be read has none."""
    try:
        return sorted(os.listdir(directory))  # noqa: PTH208
    except OSError:
        return []


def installations(directories: tuple[Path, ...]) -> list[Path]:
    """The ``bin`` directories of the installations that version managers keep, the newest version first."""
    found = [directory / name for directory in directories for name in entries(directory)]
    found.sort(key=_numbers, reverse=True)
    return [installation / inner for installation in found for inner in ("bin", "installation/bin")]


def _numbers(installation: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", installation.name)[:3])


def listed(places: tuple[object, ...]) -> str:
    """The places of a search, for the reason why nothing was found."""
    return ", ".join(dict.fromkeys(map(str, places))) or "no directory"


def program(path: Path) -> Path | None:
    """The real file of a program, or None: a shim (a script that picks a version when it runs) is not one."""
    try:
        real = path.resolve(strict=True)
        with real.open("rb") as file:
            return None if file.read(2) == _SCRIPT or not os.access(real, os.X_OK) else real
    except (OSError, RuntimeError):
        return None


def in_usr(path: Path) -> bool:
    """Whether a sandbox sees the file where it is: it has the host's ``/usr``."""
    return path.is_relative_to("/usr")


def may_be_bound(prefix: Path) -> bool:
    """Whether functions may see the whole installation: not when it is, or holds, somebody's home directory."""
    return not Path.home().is_relative_to(prefix)
