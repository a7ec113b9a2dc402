"""The job as the sandbox runs it, under every interpreter that is here."""

from __future__ import annotations

import marshal
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lamina.packages import _compile_job

TAG = str(sys.implementation.cache_tag)


def works(python: str) -> bool:
    return subprocess.run([python, "-c", ""], check=False, capture_output=True).returncode == 0


PYTHONS = [
    path for minor in range(6, 16) if (path := shutil.which(f"python3.{minor}")) is not None and works(path)
] or [sys.executable]


def run(source: Path, output: Path, python: str = sys.executable) -> None:
    subprocess.run([python, "-I", _compile_job.__file__, source, output], check=True, capture_output=True)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "task"
    (source / "pkg").mkdir(parents=True)
    (source / "index.py").write_text("def handler(event, context):\n    return 'é'\n", encoding="utf-8")
    (source / "pkg/mod.py").write_text("answer = 42\n")
    return source


@pytest.mark.parametrize("python", PYTHONS, ids=lambda path: Path(path).name)
def test_every_source_is_compiled(source: Path, tmp_path: Path, python: str) -> None:
    run(source, tmp_path / "out", python)
    names = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.pyc"))
    assert [name.split(".")[0] for name in names] == ["__pycache__/index", "pkg/__pycache__/mod"]


@pytest.mark.parametrize("python", PYTHONS, ids=lambda path: Path(path).name)
def test_every_interpreter_takes_its_own(source: Path, tmp_path: Path, python: str) -> None:
    run(source, tmp_path / "out", python)
    for made in (tmp_path / "out").rglob("*.pyc"):
        target = source / made.relative_to(tmp_path / "out")
        target.parent.mkdir(exist_ok=True)
        shutil.copy(made, target)
    shown = subprocess.run(
        [python, "-v", "-c", "import pkg.mod"], cwd=source, check=True, capture_output=True, text=True
    ).stderr
    assert f"# code object from '{source}/pkg/__pycache__/mod." in shown


def test_the_code_knows_its_path(source: Path, tmp_path: Path) -> None:
    run(source, tmp_path / "out")
    code = marshal.loads((tmp_path / f"out/pkg/__pycache__/mod.{TAG}.pyc").read_bytes()[16:])
    assert code.co_filename == str(source / "pkg/mod.py")


@pytest.mark.parametrize(
    "content", [b"def (", b"\xff\xfe", b"a\0b", b"# coding: none\n", b"x = " + b"(" * 5000, b"-" * 200_000 + b"1"]
)
def test_what_does_not_compile_is_left_out(source: Path, tmp_path: Path, content: bytes) -> None:
    (source / "bad.py").write_bytes(content)
    run(source, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out/__pycache__").iterdir()] == [f"index.{TAG}.pyc"]


def test_links_and_pipes_are_left_out(source: Path, tmp_path: Path) -> None:
    (source / "link.py").symlink_to("index.py")
    os.mkfifo(source / "pipe.py")
    run(source, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out/__pycache__").iterdir()] == [f"index.{TAG}.pyc"]


def test_names_that_are_not_text_are_no_obstacle(source: Path, tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(source) + b"/caf\xe9.py")).write_text("x = 1")
    run(source, tmp_path / "out")
    assert (tmp_path / f"out/__pycache__/index.{TAG}.pyc").exists()


def test_names_that_leave_no_room_for_a_tag_are_left_out(source: Path, tmp_path: Path) -> None:
    (source / ("n" * 250 + ".py")).write_text("x = 1")
    run(source, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out/__pycache__").iterdir()] == [f"index.{TAG}.pyc"]


def test_warnings_are_not_printed(source: Path, tmp_path: Path) -> None:
    (source / "warns.py").write_text("x = '\\d'\nx is 1\n")
    done = subprocess.run(
        [sys.executable, _compile_job.__file__, source, tmp_path / "out"], check=True, capture_output=True
    )
    assert done.stderr == b""


def test_many_sources_are_shared_among_processes(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_compile_job, "WORTH_A_PROCESS", 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    assert _compile_job.processes_for(_compile_job.find_sources(str(source))) == 3
    assert _compile_job.main(str(source), str(tmp_path / "out")) == 0
    assert len(list((tmp_path / "out").rglob("*.pyc"))) == 2
