"""Every runtime that this machine has, through the API."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo._service import Service
from lamina.runtimes import Runtimes

from .conftest import Functions, client, package

NAMES = Runtimes.discover().names
NODE = [name for name in NAMES if name.startswith("nodejs")]


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Functions]:
    """A service that also takes the runtimes that AWS has ended."""
    service = Service(tmp_path_factory.mktemp("runtimes") / "data", "--deprecated-runtimes", "allow")
    yield Functions(client(service.address))
    service.stop()


@pytest.mark.parametrize("runtime", [name for name in NAMES if name.startswith("python")])
def test_python(functions: Functions, runtime: str) -> None:
    source = "import sys, ssl, json\ndef handler(event, context):\n    return list(sys.version_info[:2])\n"
    name = functions.create(source, Runtime=runtime)
    assert "python{}.{}".format(*functions.call(name)) == runtime


@pytest.mark.parametrize("runtime", NODE)
def test_node_commonjs(functions: Functions, runtime: str) -> None:
    source = "exports.handler = async (event) => ({ version: process.version, event });"
    name = functions.create(source, Runtime=runtime, Code={"ZipFile": package(source, "app.js")})
    answer = functions.call(name, {"a": 1})
    assert answer["event"] == {"a": 1}
    assert answer["version"].startswith(f"v{runtime.removeprefix('nodejs').removesuffix('.x')}.")


@pytest.mark.parametrize("runtime", NODE)
def test_node_modules(functions: Functions, runtime: str) -> None:
    source = "export const handler = (event, context, callback) => callback(null, context.functionName);"
    name = functions.create(source, Runtime=runtime, Code={"ZipFile": package(source, "app.mjs")})
    assert functions.call(name) == name


def test_provided(functions: Functions) -> None:
    source = r"""#!/usr/bin/perl
use IO::Socket::INET;
my $api = $ENV{AWS_LAMBDA_RUNTIME_API};
sub ask {
    my ($method, $path, $body) = @_;
    my $socket = IO::Socket::INET->new($api) or die;
    my $length_of_body = length $body;
    print $socket "$method /2018-06-01/runtime/$path HTTP/1.1\r\nContent-Length: $length_of_body\r\n\r\n$body";
    my ($length, $id) = (0, "");
    while (my $line = <$socket>) {
        last if $line =~ /^\r?\n/;
        $length = $1 if $line =~ /^content-length: (\d+)/i;
        $id = $1 if $line =~ /^lambda-runtime-aws-request-id: (\S+)/i;
    }
    read $socket, my $answer, $length;
    return ($id, $answer);
}
while (1) {
    my ($id, $event) = ask("GET", "invocation/next", "");
    ask("POST", "invocation/$id/response", "{\"echo\":$event}");
}
"""
    zipped = package(source, "bootstrap", 0o755)
    name = functions.create("", Runtime="provided.al2023", Handler="any", Code={"ZipFile": zipped})
    assert functions.call(name, [1, 2]) == {"echo": [1, 2]}


MISSING = [name for name in ("ruby3.3", "java21", "dotnet8", "python3.15") if name not in NAMES]


@pytest.mark.parametrize("runtime", MISSING)
def test_a_runtime_without_interpreter_fails_with_its_reason(functions: Functions, runtime: str) -> None:
    made = functions.client.create_function(
        FunctionName=f"no-{runtime.replace('.', '-')}",
        Runtime=runtime,
        Handler="a.b",
        Role="arn:aws:iam::000000000000:role/r",
        Code={"ZipFile": package("x")},
    )
    assert made["State"] == "Pending"
    with pytest.raises(Exception, match="FunctionActiveV2 failed"):
        functions.client.get_waiter("function_active_v2").wait(FunctionName=made["FunctionName"])
    found = functions.client.get_function_configuration(FunctionName=made["FunctionName"])
    assert (found["State"], found["StateReasonCode"]) == ("Failed", "InvalidRuntime")
    assert found["StateReason"].startswith("No ")
    assert ": looked for " in found["StateReason"]
