"""Zips that lie in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.blobs import LocalBlobs
from lamina.deploy import mapped
from lamina.errors import InvalidParameterValueException
from lamina.packages import Packages


def test_the_bytes_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    with mapped(tmp_path / "file") as data:
        assert bytes(data) == b"content"


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with mapped(tmp_path / "file") as data:
        assert bytes(data) == b""


def test_a_refusal_that_holds_a_part_of_the_file_is_what_is_raised(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"PK\5\6" + bytes(100))
    packages = Packages(tmp_path / "packages", LocalBlobs(tmp_path / "blobs"))
    with pytest.raises(InvalidParameterValueException, match=r"^Could not unzip"), mapped(tmp_path / "file") as data:
        packages.stage(data)


def test_an_exception_with_a_slice(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    with pytest.raises(ValueError, match="slice") as raised, mapped(tmp_path / "file") as data:
        raise ValueError("slice", data[1:])
    assert bytes(raised.value.args[1]) == b"ontent"
