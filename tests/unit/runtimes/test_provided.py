"""Functions that bring their own bootstrap."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.unit.runtimes.conftest import Start, write

WHO = "#!/bin/sh\necho $0 $LANGUAGE_OF_THE_FUNCTION\n"


def executable(root: Path, content: str = WHO, mode: int = 0o755) -> Path:
    write(root, {"bootstrap": content})
    (root / "bootstrap").chmod(mode)
    return root / "bootstrap"


def test_starts_the_bootstrap_of_the_package(start: Start, task_root: Path, tmp_path: Path) -> None:
    own = executable(task_root)
    executable(tmp_path / "opt")
    function = start("provided.al2023", {}, LANGUAGE_OF_THE_FUNCTION="sh")
    assert function.status() == 0
    assert function.log() == f"{own} sh\n"


def test_starts_the_bootstrap_of_a_layer(start: Start, tmp_path: Path) -> None:
    layer = executable(tmp_path / "opt")
    function = start("provided.al2", {})
    assert function.status() == 0
    assert function.log() == f"{layer}\n"


@pytest.mark.skipif(shutil.which("bash") is None, reason="the shell needs bash to report")
@pytest.mark.parametrize("mode", [None, 0o644])
def test_reports_that_there_is_no_bootstrap(start: Start, task_root: Path, tmp_path: Path, mode: int | None) -> None:
    if mode is not None:
        executable(task_root, mode=mode)
    function = start("provided", {})
    error = function.init_error()
    assert error.json == {
        "errorType": "Runtime.InvalidEntrypoint",
        "errorMessage": f"Couldn't find valid bootstrap(s): [{task_root}/bootstrap {tmp_path}/opt/bootstrap]",
    }
    assert function.status() == 127
