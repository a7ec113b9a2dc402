"""``lamina runtimes``."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lamina.cli import main
from tests._registry import Registry, needs_registry, push
from tests.unit.runtimes.test_runtimes import python


def lamina(data: Path, *words: str, **variables: str) -> Result:
    return CliRunner().invoke(main, ["runtimes", "--data", str(data), *words], env={"COLUMNS": "200", **variables})


def chosen(data: Path) -> dict[str, dict[str, str]]:
    return tomllib.loads((data / "runtimes.toml").read_text())


def test_a_program_is_chosen_shown_and_forgotten(tmp_path: Path) -> None:
    file, data = python(tmp_path / "own", 13), tmp_path / "data"
    assert lamina(data, "add", "python3.15", "--path", str(file)).exit_code == 0
    assert chosen(data) == {"python3.15": {"path": str(file)}}
    [line] = [line for line in lamina(data).output.splitlines() if "python3.15" in line]
    assert (str(file) in line, "chosen" in line) == (True, True)
    assert lamina(data, "remove", "python3.15").exit_code == 0
    assert chosen(data) == {}
    [line] = [line for line in lamina(data).output.splitlines() if "python3.15" in line]
    assert "chosen" not in line
    assert data.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["add", "python3.12"], "say one of --path and --image"),
        (["add", "python3.12", "--path", "/x", "--image", "x"], "say one of --path and --image"),
        (["add", "cobol85", "--path", "/bin/sh"], "cobol85 is not a runtime of the Lambda API"),
        (["add", "python3.12", "--path", "/bin/sh"], "/bin/sh is not the program python3.x"),
        (["add", "provided.al2", "--path", "/bin/sh"], "provided.al2 has no interpreter"),
        (["add", "python3.12", "--image", "//"], "image"),
        (["remove", "python3.12"], "nothing was chosen for python3.12"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, words: list[str], reason: str) -> None:
    answer = lamina(tmp_path, *words)
    assert answer.exit_code == 1
    assert reason in answer.output
    assert not (tmp_path / "runtimes.toml").exists()


def test_where_was_looked_is_told_when_asked(tmp_path: Path) -> None:
    assert ": looked for" not in lamina(tmp_path).output
    assert ": looked for" in lamina(tmp_path, "--why").output


def test_a_broken_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "runtimes.toml").write_text("[")
    answer = lamina(tmp_path)
    assert answer.exit_code == 1
    assert answer.output.startswith(f"Error: {tmp_path}/runtimes.toml cannot be read")


@needs_registry
def test_an_image_is_chosen_by_its_digest(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "registry")
    try:
        digest = push(registry, "python", "3.12", [{"var/runtime/bootstrap": b"#!/bin/sh\n"}])
        where = {"LAMINA_REGISTRY": f"images.example={registry.url}"}
        assert lamina(tmp_path, "add", "python3.12", "--image", "images.example/python:3.12", **where).exit_code == 0
        refused = lamina(tmp_path, "add", "python3.13", "--image", "images.example/python:none", **where)
    finally:
        registry.stop()
    assert chosen(tmp_path) == {"python3.12": {"image": f"images.example/python@{digest}", "architecture": "x86_64"}}
    assert (refused.exit_code, "does not exist" in refused.output) == (1, True), refused.output
    gone = lamina(tmp_path, "add", "python3.13", "--image", "images.example/python:3.12", **where)
    assert "does not answer as one" in gone.output
