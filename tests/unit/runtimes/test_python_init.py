"""How a Python function is found and imported."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.runtimes.conftest import Start, write

HANDLER = "def handler(event, context):\n    return event\n"


@pytest.mark.parametrize(
    ("file", "handler"),
    [("index.py", "index.handler"), ("a/b.py", "a/b.handler"), ("a/b/c.py", "a.b.c.handler")],
)
def test_finds_the_handler(start: Start, python: str, file: str, handler: str) -> None:
    assert start(python, {file: HANDLER}, handler).invoke({"a": 1}).json == {"a": 1}


@pytest.mark.parametrize(
    ("source", "handler", "error_type", "message"),
    [
        (
            HANDLER,
            "lost.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'lost': No module named 'lost'",
        ),
        (HANDLER, "index.lost", "Runtime.HandlerNotFound", "Handler 'lost' missing on module 'index'"),
        (
            HANDLER,
            "index",
            "Runtime.MalformedHandlerName",
            "Bad handler 'index': not enough values to unpack (expected 2, got 1)",
        ),
        (
            "import requests_not_there\n",
            "index.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'index': No module named 'requests_not_there'",
        ),
        (
            HANDLER,
            "sys.exit",
            "Runtime.BuiltInModuleConflict",
            "Cannot use built-in module sys as a handler module",
        ),
    ],
)
def test_reports_a_handler_that_cannot_be_had(
    start: Start, python: str, source: str, handler: str, error_type: str, message: str
) -> None:
    function = start(python, {"index.py": source}, handler)
    error = function.init_error()
    assert error.json == {"errorMessage": message, "errorType": error_type, "requestId": "", "stackTrace": []}
    assert error.headers["lambda-runtime-function-error-type"] == error_type
    assert function.status() == 1
    assert function.log() == f"[ERROR] {error_type}: {message}\nTraceback (most recent call last):\n"


def test_reports_a_syntax_error_with_its_place(start: Start, python: str, task_root: Path) -> None:
    error = start(python, {"index.py": "x = 1\ndef broken(:\n"}).init_error().json
    assert error["errorType"] == "Runtime.UserCodeSyntaxError"
    assert error["errorMessage"].startswith("Syntax error in module 'index': ")
    assert error["errorMessage"].endswith("(index.py, line 2)")
    assert error["stackTrace"] == [f'  File "{task_root}/index.py" Line 2\n    def broken(:\n']


def test_reports_an_error_of_the_import_with_its_frames(start: Start, python: str, task_root: Path) -> None:
    function = start(python, {"index.py": "raise ValueError('no good')\n"})
    error = function.init_error()
    assert list(error.json) == ["errorMessage", "errorType", "requestId", "stackTrace"]
    assert error.json["errorMessage"] == "no good"
    assert error.json["errorType"] == "ValueError"
    assert error.json["requestId"] == ""
    assert error.json["stackTrace"][0].endswith(
        "in import_module\n    return _bootstrap._gcd_import(name[level:], package, level)\n"
    )
    place = f'  File "{task_root}/index.py", line 1, in <module>\n'
    assert error.json["stackTrace"][-1] == f"{place}    raise ValueError('no good')\n"
    assert function.status() == 1


@pytest.mark.parametrize(("source", "status"), [("import sys; sys.exit(3)", 3), ("import os; os._exit(4)", 4)])
def test_ends_when_the_import_ends_the_process(start: Start, python: str, source: str, status: int) -> None:
    assert start(python, {"index.py": source}).status() == status


def test_has_the_module_path_of_aws(start: Start, python: str, task_root: Path, tmp_path: Path) -> None:
    function = start(python, {"index.py": "import sys\ndef handler(event, context): return sys.path\n"})
    path = function.invoke().json
    layers = tmp_path / "opt/python"
    assert path[:3] == [str(task_root), f"{layers}/lib/{python}/site-packages", str(layers)]
    assert not [entry for entry in path[3:] if "site-packages" in entry or "dist-packages" in entry]


def test_imports_from_layers(start: Start, python: str, tmp_path: Path) -> None:
    write(tmp_path / "opt/python", {"shared.py": "VALUE = 1\n", f"lib/{python}/site-packages/packed.py": "VALUE = 2\n"})
    source = "import packed, shared\ndef handler(event, context): return [shared.VALUE, packed.VALUE]\n"
    assert start(python, {"index.py": source}).invoke().json == [1, 2]


def test_obeys_path_files_of_the_package(start: Start, python: str) -> None:
    files = {
        "index.py": "import vendored\ndef handler(event, context): return vendored.VALUE\n",
        "vendor.pth": "vendor\n",
        "vendor/vendored.py": "VALUE = 5\n",
    }
    assert start(python, files).invoke().json == 5


def test_leaves_the_layers_to_a_function_with_its_own_module_path(start: Start, python: str, tmp_path: Path) -> None:
    write(tmp_path / "chosen", {"own.py": "VALUE = 3\n"})
    source = "import own, sys\ndef handler(event, context): return [own.VALUE, sys.path]\n"
    value, path = start(python, {"index.py": source}, PYTHONPATH=f"{tmp_path}/chosen").invoke().json
    assert value == 3
    assert path[1] == f"{tmp_path}/chosen"
    assert f"{tmp_path}/opt/python" not in path
