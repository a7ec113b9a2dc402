from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lamina.errors import ServiceException
from lamina.objects import EmbeddedObjects, ObjectLocation, UpstreamDown, _supervisor
from lamina.objects._process import StoreProcess

LOCATION = ObjectLocation(bucket="code", key="k", version=None, region="us-east-1", account_id="000000000000")
SERVES = """
import http.server, os, sys
flags = dict(each.lstrip("-").partition("=")[::2] for each in sys.argv[1:])
with open("starts", "a") as file:
    print(os.getpid(), file=file)
if os.path.exists("stubborn"):
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/healthz" else 404)
        self.send_header("content-length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(flags["s3.port"])), Handler).serve_forever()
"""
DIES = "import sys; open('starts', 'a').write('1\\n'); sys.exit('no luck today')"
HANGS = "import os, time; open('starts', 'a').write(f'{os.getpid()}\\n'); time.sleep(60)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "s3"


def weed(folder: Path, source: str) -> Path:
    """A command that does instead of SeaweedFS what ``source`` does."""
    path = folder.with_name("weed")
    path.write_text(f"#!{sys.executable} -IS\n{source}")
    path.chmod(0o700)
    return path


def starts(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "starts").read_text().split()]


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


def wait_for_end(pid: int) -> None:
    ends = time.monotonic() + 10
    while lives(pid):
        assert time.monotonic() < ends, "it still lives"
        time.sleep(0.01)


async def test_nothing_is_started_before_it_is_needed(folder):
    objects = EmbeddedObjects(folder, weed(folder, SERVES))
    await objects.close()

    assert not folder.exists()


async def test_is_started_once_for_all_who_come_at_a_time(folder):
    objects = EmbeddedObjects(folder, weed(folder, SERVES))
    found = await asyncio.gather(*(objects.upstream() for _ in range(10)))
    await objects.close()

    assert len(starts(folder)) == 1
    assert found == [found[0]] * 10
    assert not lives(starts(folder)[0])


async def test_who_goes_away_does_not_take_the_start_along(folder):
    objects = EmbeddedObjects(folder, weed(folder, SERVES))
    first, second = (asyncio.create_task(objects.upstream()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()

    assert (await second).endpoint
    await objects.close()
    assert len(starts(folder)) == 1


async def test_is_started_again_when_it_has_died(folder, caplog):
    objects = EmbeddedObjects(folder, weed(folder, SERVES))
    before = await objects.upstream()
    assert objects._process is not None
    os.kill(starts(folder)[0], signal.SIGKILL)
    await asyncio.wait_for(objects._process.ended.wait(), 5)
    after = await objects.upstream()
    await objects.close()

    assert len(starts(folder)) == 2
    assert after.access_key_id == before.access_key_id
    assert "is started again" in caplog.text


async def test_says_why_it_does_not_start(folder, caplog):
    objects = EmbeddedObjects(folder, weed(folder, DIES))
    with pytest.raises(UpstreamDown, match="no luck today"):
        await objects.upstream()
    with pytest.raises(ServiceException, match="cannot be reached"):
        await objects.read(LOCATION, 1)
    await objects.close()

    assert "no luck today" in caplog.text
    assert len(starts(folder)) == 4


async def test_does_not_wait_for_ever_for_the_start(folder):
    objects = EmbeddedObjects(folder, weed(folder, HANGS), deadline=0.3)
    with pytest.raises(UpstreamDown, match="not ready within"):
        await objects.upstream()
    await objects.close()

    assert not any(lives(pid) for pid in starts(folder))


async def test_a_command_that_cannot_be_run_is_said(folder):
    path = weed(folder, SERVES)
    path.write_text("#!/does/not/exist\n")
    objects = EmbeddedObjects(folder, path)
    with pytest.raises(UpstreamDown, match="status 127"):
        await objects.upstream()
    await objects.close()


async def test_a_folder_that_cannot_be_made_is_said(folder):
    folder.write_text("a file")
    objects = EmbeddedObjects(folder, weed(folder, SERVES))
    with pytest.raises(UpstreamDown, match="cannot be started"):
        await objects.upstream()
    await objects.close()


async def test_closing_while_it_starts_ends_it(folder):
    objects = EmbeddedObjects(folder, weed(folder, HANGS))
    waiting = asyncio.create_task(objects.upstream())
    async with asyncio.timeout(5):
        await asyncio.to_thread(wait_for_file, folder / "starts")
        await objects.close()
    with pytest.raises((asyncio.CancelledError, UpstreamDown)):
        await waiting
    with pytest.raises(UpstreamDown, match="the server ends"):
        await objects.upstream()

    assert not lives(starts(folder)[0])


def wait_for_file(path: Path) -> None:
    while not path.exists() or not path.read_text():
        time.sleep(0.005)


async def test_no_variable_of_the_server_reaches_the_store(folder, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the server's")
    objects = EmbeddedObjects(folder, weed(folder, SERVES))
    await objects.upstream()
    environment = Path(f"/proc/{starts(folder)[0]}/environ").read_bytes()
    command_line = Path(f"/proc/{starts(folder)[0]}/cmdline").read_text()
    secret = (await objects.upstream()).secret_access_key
    await objects.close()

    assert b"AWS_" not in environment
    assert secret not in command_line


SERVER = """
import asyncio, sys
from pathlib import Path
from lamina.objects import EmbeddedObjects
async def main():
    await EmbeddedObjects(Path(sys.argv[1]), Path(sys.argv[2])).upstream()
    print("ready", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.mark.parametrize("stubborn", [False, True])
def test_no_store_outlives_a_server_that_was_killed(folder, monkeypatch, stubborn):
    folder.mkdir()
    if stubborn:
        (folder / "stubborn").touch()
    command = [sys.executable, "-c", SERVER, str(folder), str(weed(folder, SERVES))]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        server.kill()

    wait_for_end(starts(folder)[0])


async def test_no_store_outlives_a_supervisor_that_was_killed(folder):
    (weed_path := weed(folder, SERVES))
    process = await StoreProcess.open(folder, weed_path, 10)
    os.kill(process._process.pid, signal.SIGKILL)
    await asyncio.wait_for(process.ended.wait(), 5)

    await asyncio.to_thread(wait_for_end, starts(folder)[0])
    await process.close()


async def test_a_new_store_waits_for_the_end_of_the_old_one(folder):
    path = weed(folder, SERVES)
    first = await StoreProcess.open(folder, path, 10)
    second = asyncio.create_task(StoreProcess.open(folder, path, 10))
    await asyncio.sleep(0.5)
    assert len(starts(folder)) == 1
    await first.close()
    await (await second).close()

    assert len(starts(folder)) == 2


def test_the_supervisor_needs_nothing_of_lamina():
    source = Path(_supervisor.__file__).read_text()

    assert "lamina." not in source.replace("``lamina", "")
    assert "import asyncio" not in source
