from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.blobs import LocalBlobs
from lamina.packages import Packages


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "blobs")


@pytest.fixture
def packages(tmp_path: Path, blobs: LocalBlobs) -> Iterator[Packages]:
    packages = Packages(tmp_path / "packages", blobs, settle_seconds=3600)
    yield packages
    packages.close()
