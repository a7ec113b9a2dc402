"""What a Ruby handler gets, and what becomes of what it gives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.runtimes.conftest import ACCEPTED, Start, event, wait_until_it_reads, write

ECHO = {"index.rb": "def handler(event:, context:)\n  event\nend\n"}


def handler(body: str) -> dict[str, str]:
    return {"index.rb": f"def handler(event:, context:)\n  {body}\nend\n"}


def test_answers_and_asks_for_the_next_event_in_one_write(start: Start, ruby: str) -> None:
    function = start(ruby, ECHO)
    function.invoke("first")
    function.begin("second")
    received = function.connection.socket.recv(65536)
    assert received.startswith(b"POST /2018-06-01/runtime/invocation/request-2/response HTTP/1.1\r\n")
    assert b'"second"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n' in received


def test_reads_answers_that_come_in_pieces(start: Start, ruby: str) -> None:
    function = start(ruby, ECHO)
    function.read()
    for byte in event({"a": "ü"}, "request-1"):
        function.connection.send(bytes([byte]))
    assert function.read().json == {"a": "ü"}


def test_reads_a_chunked_event(start: Start, ruby: str) -> None:
    function = start(ruby, ECHO)
    function.read()
    head = "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r\r\nTransfer-Encoding: chunked\r\n\r\n"
    function.connection.send(head.encode() + b"4\r\n[1,2\r\n3;x=y\r\n,3]\r\n0\r\n\r\n")
    assert function.read().json == [1, 2, 3]


def test_carries_large_payloads_both_ways(start: Start, ruby: str) -> None:
    payload = "x" * (6 * 1024 * 1024 - 2)
    assert start(ruby, ECHO).invoke(payload).json == payload


def test_connects_anew_when_the_server_has_closed_the_connection(start: Start, ruby: str) -> None:
    function = start(ruby, ECHO)
    function.invoke(1)
    function.connection.send(ACCEPTED)
    function.connection.socket.close()
    function.connect()
    assert function.read().kind == "next"
    function.connection.send(event(2, "request-2"))
    assert function.read().json == 2


def test_ends_when_the_server_has_gone(start: Start, ruby: str) -> None:
    function = start(ruby, ECHO)
    function.invoke(1)
    function.listener.close()
    function.connection.socket.close()
    assert function.status() == 1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("nil", "null"),
        ("", "null"),
        ("{ a: [1, 2.5, true, nil], 'b' => :c }", '{"a":[1,2.5,true,null],"b":"c"}'),
        ("'ü'", '"ü"'),
        ("require 'stringio'; StringIO.new('as it is')", "as it is"),
    ],
)
def test_writes_results_as_json(start: Start, ruby: str, body: str, expected: str) -> None:
    assert start(ruby, handler(body)).invoke().body.decode() == expected


def test_uses_the_functions_own_to_json(start: Start, ruby: str) -> None:
    source = {"index.rb": "class Money\n def to_json(*); '{\"eur\":5}'; end\nend\n" + handler("Money.new")["index.rb"]}
    assert start(ruby, source).invoke().json == {"eur": 5}


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("app.handler", "def handler(event:, context:); event; end"),
        ("lib/deep/app.handler", "def handler(event:, context:); event; end"),
        ("app.Shop.call", "class Shop; def self.call(event:, context:); event; end; end"),
        ("app.Shop::Cart.call", "module Shop; class Cart; def self.call(event:, context:); event; end; end; end"),
        ("app.Shop.any", "module Shop; def self.any(**both); both[:event]; end; end"),
    ],
)
def test_finds_each_form_of_handler(start: Start, ruby: str, name: str, source: str) -> None:
    file = name.split(".", maxsplit=1)[0] + ".rb"
    assert start(ruby, {file: source}, name).invoke({"n": 1}).json == {"n": 1}


def test_reports_an_exception_and_goes_on(start: Start, ruby: str, task_root: Path) -> None:
    function = start(ruby, handler("raise 'no luck' if event == 1\n  event"))
    error = function.invoke(1)
    assert error.path == "/2018-06-01/runtime/invocation/request-1/error"
    assert error.headers["lambda-runtime-function-error-type"] == "Function<RuntimeError>"
    assert list(error.json) == ["errorMessage", "errorType", "stackTrace"]
    assert error.json["errorMessage"] == "no luck"
    assert error.json["errorType"] == "Function<RuntimeError>"
    [frame] = error.json["stackTrace"]
    assert frame.startswith(f"{task_root}/index.rb:2:in ")
    assert function.log().startswith('Error raised from handler method\n{\n  "errorMessage": "no luck",\n')
    assert function.invoke(2).json == 2


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("nowhere", "NameError"),
        ("nil.nothing", "NoMethodError"),
        ("exit 3", "SystemExit"),
        ("raise NotImplementedError, 'x'", "NotImplementedError"),
        ("def deep; deep; end; deep", "SystemStackError"),
    ],
)
def test_ends_after_a_critical_exception(start: Start, ruby: str, body: str, kind: str) -> None:
    function = start(ruby, handler(body))
    function.read()
    function.begin()
    error = function.read()
    assert error.json["errorType"] == f"Function<{kind}>"
    assert len(error.json["stackTrace"]) <= 100
    function.connection.send(ACCEPTED)
    assert function.status() == 255
    assert function.log().startswith("Critical exception from handler\n")


def test_an_exception_without_a_decent_message_is_told_too(start: Start, ruby: str) -> None:
    function = start(
        ruby, handler(r'raise event == 1 ? "bad \xff" : Class.new(StandardError) { def message; raise "x"; end }')
    )
    assert function.invoke(1).json["errorMessage"] == "bad �"
    assert "message of the exception failed" in function.invoke(2).json["errorMessage"]


def test_reports_what_has_no_json_form(start: Start, ruby: str) -> None:
    assert start(ruby, handler("Float::NAN")).invoke().json["errorType"] == "Function<JSON::GeneratorError>"


@pytest.mark.parametrize(
    ("files", "name", "kind", "message"),
    [
        ({}, "index.handler", "LoadError", "cannot load such file -- index"),
        ({"index.rb": "require 'no/such/gem'"}, "index.handler", "LoadError", "cannot load such file -- no/such/gem"),
        ({"index.rb": "def ("}, "index.handler", "SyntaxError", "index.rb:1: syntax error"),
        ({"index.rb": "raise 'early'"}, "index.handler", "RuntimeError", "early"),
        ({}, "handler", "ArgumentError", 'Invalid handler ["handler"], must be of form FILENAME.METHOD or'),
    ],
)
def test_reports_why_it_cannot_be_initialised(
    start: Start, ruby: str, files: dict[str, str], name: str, kind: str, message: str
) -> None:
    function = start(ruby, files, name)
    error = function.init_error().json
    assert error["errorType"] == f"Init<{kind}>"
    assert message in error["errorMessage"]
    assert function.status() == 252
    assert f"Init error when loading handler {name}\n" in function.log()


def test_context_has_what_aws_documents(start: Start, ruby: str) -> None:
    body = "(context.public_methods(false) - %i[deadline_ms tenant_id]).map { |n| [n, context.public_send(n)] }.to_h"
    answer = start(ruby, handler(body)).invoke(None, Client_Context=json.dumps({"custom": {"k": "v"}})).json
    assert 0 < answer.pop("get_remaining_time_in_millis") <= 3000
    assert answer == {
        "aws_request_id": "request-1",
        "invoked_function_arn": "arn:aws:lambda:us-east-1:123456789012:function:f",
        "log_group_name": "/aws/lambda/f",
        "log_stream_name": "stream",
        "function_name": "f",
        "memory_limit_in_mb": "128",
        "function_version": "$LATEST",
        "identity": None,
        "client_context": {"custom": {"k": "v"}},
    }


def test_sets_the_trace(start: Start, ruby: str) -> None:
    function = start(ruby, handler("ENV['_X_AMZN_TRACE_ID']"))
    assert function.invoke(None, Trace_Id="Root=1").json == "Root=1"
    assert function.invoke(None).json is None


def test_a_logger_of_standard_output_shows_the_request(start: Start, ruby: str) -> None:
    function = start(
        ruby, {"index.rb": "require 'logger'\nLOG = Logger.new($stdout)\n" + handler("LOG.info('hi')")["index.rb"]}
    )
    function.invoke()
    assert function.log().endswith("  INFO request-1 -- : hi\n")


def test_a_logger_of_a_file_is_left_alone(start: Start, ruby: str, tmp_path: Path) -> None:
    start(ruby, handler(f"require 'logger'; Logger.new('{tmp_path}/own').info('hi')")).invoke()
    assert (tmp_path / "own").read_text().endswith("  INFO -- : hi\n")


def test_writes_json_records_when_asked_to(start: Start, ruby: str) -> None:
    source = (
        "require 'logger'\nLOG = Logger.new($stdout)\n"
        + handler("LOG.info('no'); LOG.warn({ 'n' => 1 }); raise 'x'")["index.rb"]
    )
    function = start(ruby, {"index.rb": source}, AWS_LAMBDA_LOG_FORMAT="JSON", AWS_LAMBDA_LOG_LEVEL="WARN")
    function.invoke()
    records = [json.loads(line) for line in function.log().splitlines()]
    assert [(record["level"], record["requestId"]) for record in records] == [
        ("WARN", "request-1"),
        ("ERROR", "request-1"),
    ]
    assert records[0]["message"] == {"n": 1}
    assert records[1]["errorType"] == "Function<RuntimeError>"


def test_finds_gems_of_the_package_and_of_layers(start: Start, ruby: str, task_root: Path, tmp_path: Path) -> None:
    api = ruby.removeprefix("ruby") + ".0"
    for name, home in (("own", task_root / "vendor/bundle/ruby" / api), ("layered", tmp_path / "opt/ruby/gems" / api)):
        write(home, {f"specifications/{name}-1.0.gemspec": f"Gem::Specification.new('{name}', '1.0')\n",
                     f"gems/{name}-1.0/lib/{name}.rb": f"{name.upper()} = '{name}'\n"})  # fmt: skip
    path = f"{task_root}/vendor/bundle/ruby/{api}:{tmp_path}/opt/ruby/gems/{api}"
    function = start(ruby, {"index.rb": "require 'own'\nrequire 'layered'\n" + handler("[OWN, LAYERED]")["index.rb"]},
                     generic=True, GEM_PATH=path)  # fmt: skip
    function.specialise()
    assert function.invoke().json == ["own", "layered"]


def test_a_generic_process_becomes_the_function(start: Start, ruby: str, task_root: Path) -> None:
    function = start(ruby, {}, generic=True)
    assert function.process.poll() is None
    write(task_root, handler("[ENV.to_h, Dir.pwd, Process.pid, $LOAD_PATH.first]"))
    function.specialise()
    environment, directory, process, first = function.invoke().json
    assert environment == {k: v for k, v in function.environment.items() if k != "LAMINA_LAYERS_ROOT"}
    assert (directory, process, first) == (str(task_root), function.process.pid, str(task_root))


def test_a_generic_process_starts_anew_for_library_directories_that_have_come(
    start: Start, ruby: str, task_root: Path
) -> None:
    path = f"{task_root}/lib"
    function = start(ruby, handler("ENV['LD_LIBRARY_PATH']"), generic=True,
                     exec_environment={"LD_LIBRARY_PATH": path}, LD_LIBRARY_PATH=path)  # fmt: skip
    wait_until_it_reads(function.process.pid)
    (task_root / "lib").mkdir()
    function.specialise()
    assert function.invoke().json == path
    assert function.process.poll() is None
