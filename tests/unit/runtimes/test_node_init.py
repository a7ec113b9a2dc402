"""How a Node.js function is found and loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.runtimes.conftest import Start, write

COMMON = "exports.handler = async (event) => event;\n"
MODULE = "export const handler = async (event) => event;\n"


@pytest.mark.parametrize(
    ("files", "handler"),
    [
        ({"index.js": COMMON}, "index.handler"),
        ({"index.cjs": COMMON}, "index.handler"),
        ({"index.mjs": MODULE}, "index.handler"),
        ({"index.js": MODULE, "package.json": '{"type": "module"}'}, "index.handler"),
        ({"a/b.js": COMMON}, "a/b.handler"),
        ({"index.js": "exports.a = {b: async (event) => event};\n"}, "index.a.b"),
        ({"index.js": "module.exports = {handler: (event, context, done) => done(null, event)};\n"}, "index.handler"),
        ({"index.mjs": "await 0; export const handler = async (event) => event;\n"}, "index.handler"),
    ],
)
def test_finds_the_handler(start: Start, node: str, files: dict[str, str], handler: str) -> None:
    assert start(node, files, handler).invoke({"a": 1}).json == {"a": 1}


def test_finds_packages_of_the_function(start: Start, node: str) -> None:
    files = {
        "index.mjs": "import value from 'own'; export const handler = async () => value;\n",
        "node_modules/own/package.json": '{"name": "own", "type": "module", "exports": "./main.js"}',
        "node_modules/own/main.js": "export default 42;\n",
    }
    assert start(node, files).invoke().json == 42


def test_finds_packages_of_layers(start: Start, node: str, tmp_path: Path) -> None:
    modules = tmp_path / "opt/nodejs/node_modules"
    write(modules, {"shared/index.js": "module.exports = 7;\n"})
    source = "const value = require('shared'); exports.handler = async () => value;\n"
    assert start(node, {"index.js": source}, NODE_PATH=str(modules)).invoke().json == 7


@pytest.mark.parametrize(
    ("source", "handler", "error_type", "message"),
    [
        (COMMON, "lost.handler", "Runtime.ImportModuleError", "Error: Cannot find module 'lost'\nRequire stack:\n- "),
        (COMMON, "index.lost", "Runtime.HandlerNotFound", "index.lost is undefined or not exported"),
        ("exports.handler = 1", "index.handler", "Runtime.HandlerNotFound", "index.handler is not a function"),
        (COMMON, "index", "Runtime.MalformedHandlerName", "Bad handler"),
        (COMMON, "../index.handler", "Runtime.MalformedHandlerName", "'../index.handler' is not a valid handler name."),
        ("require('nope')", "index.handler", "Runtime.ImportModuleError", "Error: Cannot find module 'nope'\n"),
        ("function (", "index.handler", "Runtime.UserCodeSyntaxError", "SyntaxError: "),
        ("throw new TypeError('no good')", "index.handler", "TypeError", "no good"),
    ],
)
def test_reports_a_handler_that_cannot_be_had(
    start: Start, node: str, source: str, handler: str, error_type: str, message: str
) -> None:
    function = start(node, {"index.js": source}, handler)
    error = function.init_error()
    assert list(error.json) == ["errorType", "errorMessage", "trace"]
    assert error.json["errorType"] == error_type
    assert error.json["errorMessage"].startswith(message)
    assert error.json["trace"][0].startswith(f"{error_type}: {message.partition(chr(10))[0]}")
    assert error.headers["lambda-runtime-function-error-type"] == error_type
    assert function.status() == 129
    assert f'\tundefined\tERROR\tUncaught Exception \t{{"errorType":"{error_type}"' in function.log()


def test_reports_a_rejection_nobody_handles(start: Start, node: str) -> None:
    function = start(
        node, {"index.mjs": "Promise.reject(new Error('x')); await new Promise(() => setTimeout(() => 1, 9e5));"}
    )
    error = function.init_error().json
    assert (error["errorType"], error["errorMessage"]) == ("Runtime.UnhandledPromiseRejection", "Error: x")
    assert function.status() == 128


@pytest.mark.parametrize(("source", "status"), [("process.exit(3)", 3), ("process.kill(process.pid, 'SIGKILL')", -9)])
def test_ends_when_the_module_ends_the_process(start: Start, node: str, source: str, status: int) -> None:
    assert start(node, {"index.js": source}).status() == status


def test_becomes_the_function_that_it_is_told(start: Start, node: str, task_root: Path) -> None:
    source = "exports.handler = async () => [process.env, process.cwd(), process.pid];\n"
    function = start(node, {}, generic=True)
    write(task_root, {"index.js": source})
    function.specialise()
    environment, directory, process = function.invoke().json
    assert environment == {**function.environment}
    assert directory == str(task_root)
    assert process == function.process.pid


def test_takes_the_time_zone_and_the_module_path(start: Start, node: str, tmp_path: Path) -> None:
    write(tmp_path, {"modules/shared.js": "module.exports = 7;\n"})
    source = "const v = require('shared'); exports.handler = async () => [v, new Date(0).getTimezoneOffset()];\n"
    function = start(node, {"index.js": source}, generic=True, NODE_PATH=f"{tmp_path}/modules", TZ="XYZ-3")
    function.specialise()
    assert function.invoke().json == [7, -180]
