"""The service as a program: how it starts, refuses to start, ends and comes back."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from demo._service import Service

from .conftest import Functions, client

SERVE = [sys.executable, "-m", "lamina", "serve"]


def refused(*flags: str) -> str:
    """The one line with which the service does not start."""
    done = subprocess.run([*SERVE, *flags], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr.strip()


def test_a_port_in_use(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert refused("--port", str(port), "--data", str(data)) == (
            f"Error: 127.0.0.1:{port} is in use; choose another with --port"
        )


def test_a_data_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "data folder" in refused("--port", "0", "--data", str(tmp_path / "file" / "data"))


def test_a_second_server_on_the_same_data_folder(data: Path) -> None:
    service = Service(data)
    try:
        assert str(data) in refused("--port", "0", "--data", str(data))
    finally:
        service.stop()


@pytest.mark.parametrize("flags", [("--port", "x"), ("--isolation", "Z"), ("--auth", "maybe"), ("--account-id", "12")])
def test_a_bad_setting(flags: tuple[str, str]) -> None:
    assert flags[0] in refused(*flags)


def test_auth_off_beyond_loopback() -> None:
    assert "loopback only" in refused("--host", "0.0.0.0", "--auth", "off", "--port", "0")


def test_beyond_loopback_the_server_makes_its_own_keys(data: Path) -> None:
    process = subprocess.Popen(
        [*SERVE, "--host", "0.0.0.0", "--port", "0", "--data", str(data)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Lamina is ready"):
            break
    port = lines[-1].rsplit(":", 1)[1].strip()
    try:
        refusing = client(f"http://127.0.0.1:{port}")
        with pytest.raises(Exception, match="security token"):
            refusing.list_functions()
        assert any("AWS_SECRET_ACCESS_KEY=" in line for line in lines)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_within_two_seconds(data: Path, how: signal.Signals) -> None:
    service = Service(data)
    functions = Functions(client(service.address))
    functions.call(functions.create("def handler(e, c): return 1"))
    began = time.monotonic()
    service.signal(how)
    assert service.wait() == 0
    assert time.monotonic() - began < 2


def test_everything_is_there_after_a_restart(data: Path) -> None:
    service = Service(data)
    functions = Functions(client(service.address))
    name = functions.create("def handler(e, c): return 'kept'", Publish=True)
    service.stop()
    service = Service(data)
    again = Functions(client(service.address))
    assert again.call(name) == "kept"
    assert again.call(name, Qualifier="1") == "kept"
    service.stop()
