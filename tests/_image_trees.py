"""Root file systems of images, as layer folders, made of what this machine has."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

PYTHON = f"/var/lang/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
CROSS_COMPILER = "aarch64-linux-gnu-gcc"
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "config-*", "dist-packages", "ensurepip", "idlelib", "site-packages",
                                   "test", "tests", "tkinter")  # fmt: skip


def system_layer(folder: Path, *programs: str) -> Path:
    """A layer with a shell, further ``programs`` of this machine, their libraries, and AWS's empty directories."""
    for directory in ("bin", "etc", "opt", "run/identity", "usr/bin", "var/task", "var/runtime", "var/lang"):
        (folder / directory).mkdir(parents=True, exist_ok=True)
    for program in ("/bin/sh", *programs):
        add(folder, program)
    return opened(folder)


def python_layer(folder: Path) -> Path:
    """A layer with the interpreter that runs the tests, at ``/var/lang``, and what it needs of the system."""
    prefix, name = Path(sys.base_prefix), Path(PYTHON).name
    (folder / "var/lang/bin").mkdir(parents=True)
    shutil.copy2(prefix / "bin" / name, folder / "var/lang/bin" / name)
    shutil.copytree(prefix / "lib" / name, folder / "var/lang/lib" / name, ignore=_LEFT_OUT, symlinks=False,
                    ignore_dangling_symlinks=True)  # fmt: skip
    for library in prefix.glob("lib/libpython3*.so*"):
        shutil.copy2(library, folder / "var/lang/lib")
    modules = (prefix / "lib" / name / "lib-dynload").glob("*.so")
    add_libraries(folder, [prefix / "bin" / name, *modules])
    return opened(folder)


def add(folder: Path, program: str) -> None:
    """Copy a program of this machine to the same place in a layer, with its libraries."""
    place = folder / program.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(program, place)
    add_libraries(folder, [Path(program)])


def add_libraries(folder: Path, programs: Iterable[Path]) -> None:
    """Copy the libraries of programs, by the names by which they are asked for."""
    for library in {library for program in programs for library in _libraries(program)}:
        place = folder / library.lstrip("/")
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, place)


def compiled(source: str, program: Path, compiler: str = "gcc") -> Path:
    """A static program made of C; the test is skipped where there is no such compiler."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    program.parent.mkdir(parents=True, exist_ok=True)
    command = [compiler, "-static", "-O1", "-x", "c", "-o", program, "-"]
    subprocess.run(command, input=source, text=True, check=True)
    program.chmod(0o755)
    return program


def opened(folder: Path) -> Path:
    """The folder, when every user may read what is in it, as an image store leaves it."""
    for directory, _, names in os.walk(folder):
        Path(directory).chmod(0o755)
        for name in names:
            path = Path(directory, name)
            if path.is_file() and not path.is_symlink():
                path.chmod(path.stat().st_mode | 0o444)
    return folder


@functools.cache
def _libraries(program: Path) -> frozenset[str]:
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return frozenset(re.findall(r"(?:=> |^\s+)(/\S+)", listed, re.MULTILINE))
