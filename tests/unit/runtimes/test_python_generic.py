"""A Python process that waits ready before it knows its function."""

from __future__ import annotations

import ctypes
import shutil
from pathlib import Path

import pytest

from tests.unit.runtimes.conftest import Start, wait_until_it_reads, write

PROBE = {"index.py": "import os\ndef handler(event, context): return [dict(os.environ), os.getcwd(), os.getpid()]\n"}


def test_becomes_the_function(start: Start, python: str, task_root: Path) -> None:
    function = start(python, PROBE, generic=True)
    function.specialise()
    environment, directory, process = function.invoke().json
    assert environment == {k: v for k, v in function.environment.items() if k != "LAMINA_LAYERS_ROOT"}
    assert directory == str(task_root)
    assert process == function.process.pid


def test_code_may_come_while_it_waits(start: Start, python: str, task_root: Path) -> None:
    function = start(python, {}, generic=True)
    assert function.process.poll() is None
    write(task_root, PROBE)
    function.specialise()
    assert function.invoke().kind == "response"


def test_closes_the_control_pipe(start: Start, python: str) -> None:
    source = "import os\ndef handler(event, context): return [os.readlink(f'/proc/self/fd/{n}') for n in (1, 3)]\n"
    function = start(python, {"index.py": source}, generic=True)
    function.specialise()
    output, third = function.invoke().json
    assert output.startswith("pipe:")
    assert third.startswith("socket:")


def test_takes_the_time_zone(start: Start, python: str) -> None:
    source = "import time\ndef handler(event, context): return time.tzname[0]\n"
    function = start(python, {"index.py": source}, generic=True, TZ="XYZ-3")
    function.specialise()
    assert function.invoke().json == "XYZ"


def test_finds_shared_libraries_of_the_function(start: Start, python: str, task_root: Path) -> None:
    library = _some_library()
    source = "import ctypes\ndef handler(event, context): return bool(ctypes.CDLL('libown.so.9'))\n"
    path = f"{task_root}/lib"
    function = start(
        python, {"index.py": source}, generic=True, exec_environment={"LD_LIBRARY_PATH": path}, LD_LIBRARY_PATH=path
    )
    wait_until_it_reads(function.process.pid)
    (task_root / "lib").mkdir()
    shutil.copy(library, task_root / "lib/libown.so.9")
    function.specialise()
    assert function.invoke().json is True


def _some_library() -> str:
    assert ctypes.sizeof(ctypes.c_int)
    lines = Path("/proc/self/maps").read_text().splitlines()
    libraries = [line.split()[-1] for line in lines if "/libffi" in line]
    if not libraries:
        pytest.skip("ctypes of this interpreter has no shared library of its own")
    return libraries[0]


def test_main_may_be_called_in_the_child_of_a_template(start: Start, python: str) -> None:
    program = (
        "import os, sys; sys.path.insert(0, {runtime!r}); import bootstrap\n"
        "child = os.fork()\n"
        "if child: sys.exit(os.waitpid(child, 0)[1] >> 8)\n"
        "bootstrap.main()\n"
    )
    files = {"index.py": "import sys\ndef handler(event, context): sys.exit(event)\n"}
    function = start(python, files, generic=True, program=program)
    function.specialise()
    function.read()
    function.begin(6)
    assert function.status() == 6
