"""External extensions in real sandboxes: an image with a runtime and extensions written for nothing but the APIs."""

from __future__ import annotations

import asyncio
import itertools
import re
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lamina.sandbox import Launcher
from tests._image_trees import PYTHON, opened, python_layer, system_layer

from .test_image_environment import BuiltImage, Rig

pytestmark = pytest.mark.slow
_NUMBERS = itertools.count()
# Speaks the APIs inside; runtime and extensions begin with it.
API = """
import http.client, json, os, signal, sys, time
def ask(method, path, body=None, **headers):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    return answer.status, answer.headers, json.loads(answer.read() or b"null")
"""
RUNTIME = """
def seen():
    try:
        return [json.loads(line) for line in open("/tmp/seen")]
    except FileNotFoundError:
        return []
def stop(*_):
    print("the runtime was asked to end", flush=True)
    os._exit(0)
signal.signal(signal.SIGTERM, stop)
count = 0
while True:
    _, headers, event = ask("GET", "/2018-06-01/runtime/invocation/next")
    identifier = headers["Lambda-Runtime-Aws-Request-Id"]
    if event.get("do") == "exit":
        os._exit(3)
    while event.get("do") == "hang":
        time.sleep(1)
    count += 1
    answer = {"count": count, "seen": seen(), "pid": os.getpid()}
    ask("POST", f"/2018-06-01/runtime/invocation/{identifier}/response", json.dumps(answer))
"""
EXTENSION = """
name = os.path.basename(sys.argv[0])
def note(**what):
    with open("/tmp/seen", "a") as file:
        file.write(json.dumps({"who": name, **what}) + "\\n")
print(name, "begins", flush=True)
status, headers, body = ask("POST", "/2020-01-01/extension/register",
                            json.dumps({"events": ["INVOKE", "SHUTDOWN"]}), Lambda_Extension_Name=name)
me = headers["Lambda-Extension-Identifier"]
note(event="register", status=status, function=body["functionName"], names=sorted(os.environ), cwd=os.getcwd())
while True:
    event = ask("GET", "/2020-01-01/extension/event/next", Lambda_Extension_Identifier=me)[2]
    print(name, event["eventType"], event.get("shutdownReason", ""), flush=True)
    if event["eventType"] == "SHUTDOWN":
        break
    note(event=event["eventType"], request=event["requestId"])
    WORK
"""


def image(folder: Path, work: str = "pass", *, extension: str = EXTENSION, name: str = "watcher") -> BuiltImage:
    """An image whose function tells what its extension has written down; ``work`` is done for each event."""
    top = folder / f"top-{next(_NUMBERS)}"
    (top / "opt/extensions").mkdir(parents=True)
    scripts = {"runtime": RUNTIME, f"opt/extensions/{name}": extension.replace("WORK", work)}
    for path, script in scripts.items():
        (top / path).write_text(f"#!{PYTHON} -S\n{API}{textwrap.dedent(script)}")
        (top / path).chmod(0o755)
    layers = (folder / "system", folder / "python", opened(top))
    return BuiltImage(layers=layers, entrypoint=("/runtime",), environment={"LD_LIBRARY_PATH": "/var/lang/lib"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("extensions")
    for parent in (made, made.parent):
        parent.chmod(0o755)
    system_layer(made / "system")
    python_layer(made / "python")
    return made


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    launcher = await Launcher.open(tmp_path / "data")
    if launcher.level == "E":
        await launcher.close()
        pytest.skip("images need isolation level A or B")
    rig = Rig(launcher, tmp_path / "work")
    yield rig
    await rig.execution.close()
    await launcher.close()


async def logged(rig: Rig, text: str) -> None:
    """Wait until the log has ``text``."""
    async with asyncio.timeout(20):
        while text not in rig.logs.text:  # noqa: ASYNC110 - the log has no event for it
            await asyncio.sleep(0.01)


async def test_an_extension_lives_beside_the_runtime(rig: Rig, folder: Path) -> None:
    await rig.deploy(image(folder))
    await rig.invoke()
    payload, error = await rig.invoke()
    assert error is None
    registered, *invoked = payload["seen"]
    assert (registered["status"], registered["function"], registered["cwd"]) == (200, "fn", "/")
    assert {"AWS_LAMBDA_RUNTIME_API", "AWS_REGION", "AWS_LAMBDA_FUNCTION_NAME"} <= set(registered["names"])
    assert not {"_HANDLER", "AWS_LAMBDA_LOG_GROUP_NAME", "LAMBDA_TASK_ROOT"} & set(registered["names"])
    assert invoked[0] == {"who": "watcher", "event": "INVOKE", "request": "r1"}
    assert "watcher begins\n" in rig.logs.text
    assert "EXTENSION\tName: watcher\tState: Ready\tEvents: [INVOKE,SHUTDOWN]\n" in rig.logs.text


async def test_the_next_invocation_waits_for_the_extension_and_the_caller_does_not(rig: Rig, folder: Path) -> None:
    await rig.deploy(image(folder, "time.sleep(0.5); note(event='done')"))
    await rig.invoke()
    assert "REPORT" not in rig.logs.text
    await logged(rig, "REPORT")
    payload, _ = await rig.invoke()
    assert (payload["count"], payload["seen"][2]["event"]) == (2, "done")
    assert float(re.findall(r"REPORT.*?Duration: ([\d.]+) ms", rig.logs.text)[0]) > 400


async def test_both_are_asked_to_end(rig: Rig, folder: Path) -> None:
    await rig.deploy(image(folder))
    await rig.invoke()
    await rig.deploy(image(folder, "pass # again"))
    await logged(rig, "watcher SHUTDOWN SPINDOWN\n")
    assert rig.logs.text.index("the runtime was asked to end") < rig.logs.text.index("watcher SHUTDOWN")


async def test_the_end_of_the_server_gives_notice_too(rig: Rig, folder: Path) -> None:
    await rig.deploy(image(folder))
    await rig.invoke()
    await rig.execution.close()
    await logged(rig, "watcher SHUTDOWN SPINDOWN\n")


@pytest.mark.parametrize(
    ("do", "reason", "kind"), [("exit", "FAILURE", "Runtime.ExitError"), ("hang", "TIMEOUT", "Sandbox.Timedout")]
)
async def test_extensions_hear_why_the_runtime_is_gone(rig: Rig, folder: Path, do: str, reason: str, kind: str) -> None:
    await rig.deploy(image(folder), timeout=2)
    payload, error = await rig.invoke(b'{"do":"%b"}' % do.encode())
    assert (payload["errorType"], error) == (kind, "Unhandled")
    await logged(rig, f"watcher SHUTDOWN {reason}\n")
    payload, error = await rig.invoke()
    assert (payload["count"], error) == (1, None)


async def test_a_crash_fails_the_invocation_and_the_environment_is_replaced(rig: Rig, folder: Path) -> None:
    crash = "time.sleep(0.1); os._exit(4)"
    await rig.deploy(image(folder, crash))
    payload, error = await rig.invoke(b'{"do":"hang"}')
    assert (payload, error) == ({"errorType": "Extension.Crash",
                                 "errorMessage": "RequestId: r1 Error: exit status 4"}, "Unhandled")  # fmt: skip
    payload, error = await rig.invoke()
    assert (payload["count"], error) == (1, None)


async def test_an_extension_that_never_registers_keeps_the_runtime_from_starting(
    rig: Rig, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lamina.execution import _environment

    monkeypatch.setattr(_environment, "INIT_SECONDS", 1.0)
    await rig.deploy(image(folder, extension="time.sleep(60)"), timeout=1)
    payload, error = await rig.invoke()
    assert (payload["errorType"], error) == ("Sandbox.Timedout", "Unhandled")


async def test_an_extension_that_fails_at_init(rig: Rig, folder: Path) -> None:
    failing = """
    me = ask("POST", "/2020-01-01/extension/register", b"{}", Lambda_Extension_Name="watcher")[1]
    ask("POST", "/2020-01-01/extension/init/error", b"{}", Lambda_Extension_Function_Error_Type="Extension.NoKey",
        Lambda_Extension_Identifier=me["Lambda-Extension-Identifier"])
    sys.exit(1)
    """
    await rig.deploy(image(folder, extension=failing))
    payload, error = await rig.invoke()
    assert (payload, error) == ({"errorType": "Extension.InitError",
                                 "errorMessage": "RequestId: r1 Error: Extension.NoKey"}, "Unhandled")  # fmt: skip


async def test_a_file_that_cannot_run_is_told(rig: Rig, folder: Path) -> None:
    built: Any = image(folder, "pass # not to be run", name="closed")
    (built.layers[-1] / "opt/extensions/closed").chmod(0o644)
    await rig.deploy(built)
    payload, error = await rig.invoke()
    assert (payload["errorType"], error) == ("Extension.LaunchError", "Unhandled")
    assert payload["errorMessage"] == "RequestId: r1 Error: fork/exec /opt/extensions/closed: permission denied"


# Takes telemetry at a port of its own and prints the kinds of the events, for the log.
LISTENER = """
import http.server, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        events = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with open("/tmp/seen", "a") as file:
            for event in events:
                file.write(json.dumps({"type": event["type"], "record": event["record"]}) + "\\n")
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("sandbox.localdomain", 4243), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
me = ask("POST", "/2020-01-01/extension/register", json.dumps({"events": ["INVOKE", "SHUTDOWN"]}),
         Lambda_Extension_Name="watcher")[1]["Lambda-Extension-Identifier"]
wish = {"schemaVersion": "2022-12-13", "types": ["platform", "function", "extension"],
        "buffering": {"timeoutMs": 25}, "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:4243"}}
status = ask("PUT", "/2022-07-01/telemetry", json.dumps(wish), Lambda_Extension_Identifier=me)[0]
print("subscribed:", status, flush=True)
while True:
    event = ask("GET", "/2020-01-01/extension/event/next", Lambda_Extension_Identifier=me)[2]
    if event["eventType"] == "SHUTDOWN":
        print("at the end:", sorted({json.loads(line)["type"] for line in open("/tmp/seen")}), flush=True)
        break
"""


async def test_telemetry_comes_into_the_sandbox(rig: Rig, folder: Path) -> None:
    await rig.deploy(image(folder, extension=LISTENER))
    await rig.invoke()
    await logged(rig, "subscribed: 200")
    assert "TELEMETRY\tName: watcher\tState: Subscribed\tTypes: [Platform, Function, Extension]\n" in rig.logs.text
    kinds: set[str] = set()
    async with asyncio.timeout(20):
        while "platform.report" not in kinds:
            payload, _ = await rig.invoke()
            kinds = {each["type"] for each in payload["seen"]}
    assert kinds >= {"platform.initStart", "platform.initReport", "platform.extension", "platform.start",
                     "platform.runtimeDone", "extension"}  # fmt: skip
    await rig.deploy(image(folder))
    await logged(rig, "at the end:")
