"""Packs the application with its real dependencies from the package registry."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Package:
    """A deployment package: the zip, and how many files are in it."""

    zip: bytes
    files: int


def build(folder: Path) -> Package:
    """Install the locked dependencies beside the application and zip them together."""
    target = folder / "package"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    subprocess.run(
        [*pip, "--require-hashes", "--target", target, "-r", HERE / "requirements.lock"],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    (target / "app.py").write_bytes((HERE / "app" / "app.py").read_bytes())
    files = sorted(path for path in target.rglob("*") if path.is_file())
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for path in files:
            archive.write(path, path.relative_to(target).as_posix())
    return Package(buffer.getvalue(), len(files))


def changed(package: Package, before: str, after: str) -> bytes:
    """The same package with one line of the application changed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(package.zip)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for item in old.infolist():
            data = old.read(item)
            if item.filename == "app.py":
                data = data.replace(f'GREETING = "{before}"'.encode(), f'GREETING = "{after}"'.encode())
            new.writestr(item, data)
    return buffer.getvalue()
