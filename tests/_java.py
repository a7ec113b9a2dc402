"""Functions in Java, compiled by the compilers of this machine."""

from __future__ import annotations

import functools
import io
import subprocess
import tempfile
import zipfile
from pathlib import Path

import pytest

from lamina.runtimes import Runtimes

SOURCES = Path(__file__).parent / "acceptance/java"
NAMES = tuple(name for name in Runtimes.discover().names if name.startswith("java") and ".al" not in name)


def prefix_of(name: str) -> Path:
    """The installation that runs a runtime."""
    binds = {bind.target: bind.source for bind in Runtimes.discover().resolve(name).binds}
    return binds["/var/lang"]


@functools.cache
def _classes(name: str) -> dict[str, bytes]:
    javac = prefix_of(name) / "bin/javac"
    if not javac.is_file():
        pytest.skip(f"{prefix_of(name)} has no compiler")
    modern = int(name.removeprefix("java")) >= 16
    sources = [str(path) for path in sorted(SOURCES.rglob("*.java")) if modern or path.name != "Modern.java"]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([str(javac), "-nowarn", "-encoding", "UTF-8", "-d", folder, *sources], check=True)
        return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*.class")}


def classes(name: str, *prefixes: str) -> dict[str, bytes]:
    """The compiled test functions and AWS's interfaces, by path; only those below the prefixes, if there are any."""
    return {path: code for path, code in _classes(name).items() if not prefixes or path.startswith(prefixes)}


def zipped(files: dict[str, bytes]) -> bytes:
    """A package, or a jar, with these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content)
    return buffer.getvalue()
