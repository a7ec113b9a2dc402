from __future__ import annotations

import asyncio
import errno
import io
import logging
import threading
import time
from pathlib import Path

import pytest

from lamina.errors import InvalidParameterValueException, ServiceException
from lamina.objects import MemoryObjects, NoUpstream, ObjectLocation, RemoteObjects, _refusals, _remote, _transfer
from tests.unit.objects._hostile import (
    CONTENT,
    ETAG,
    HostileStore,
    error,
    nothing,
    part,
    response,
    silence,
    whole,
)

MOST = len(CONTENT)


def location(version: str | None = None, region: str = "eu-central-1", key: str = "a/b c.zip") -> ObjectLocation:
    return ObjectLocation(bucket="code", key=key, version=version, region=region, account_id="000000000000")


def objects(store: HostileStore | str, **options: object) -> RemoteObjects:
    endpoint = store if isinstance(store, str) else store.endpoint
    keys = {"access_key_id": "key", "secret_access_key": "secret", "path_style": True}
    return RemoteObjects(endpoint=endpoint, **{**keys, **options})  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_transfer, "_PAUSE", 0.001)
    monkeypatch.setattr(_remote, "_READ_SECONDS", 0.3)


async def fetch(store: HostileStore, into: Path, most: int = MOST, **of: str) -> object:
    return await objects(store).download(location(**of), into, most)


async def test_writes_the_object_to_a_private_file(tmp_path):
    with HostileStore(whole(x_amz_version_id="v1")) as store:
        found = await fetch(store, tmp_path / "zip")

    assert (found.bucket, found.key, found.version, found.etag, found.size) == ("code", "a/b c.zip", "v1", ETAG, MOST)
    assert (tmp_path / "zip").read_bytes() == CONTENT
    assert (tmp_path / "zip").stat().st_mode & 0o777 == 0o600
    assert store.asked[0].line.startswith("GET /code/a/b%20c.zip ")


async def test_an_object_without_versions_has_none(tmp_path):
    with HostileStore(whole(x_amz_version_id="null")) as store:
        assert (await fetch(store, tmp_path / "zip")).version is None


async def test_asks_for_the_version_and_signs_for_the_region(tmp_path):
    with HostileStore(whole()) as store:
        await fetch(store, tmp_path / "zip", version="v/1", region="ap-south-1")

    assert "versionId=v%2F1" in store.asked[0].line
    assert "/ap-south-1/s3/aws4_request" in store.asked[0].fields["authorization"]


async def test_replaces_what_is_in_the_file(tmp_path):
    (tmp_path / "zip").write_bytes(b"x" * 2 * MOST)
    with HostileStore(whole()) as store:
        await fetch(store, tmp_path / "zip")

    assert (tmp_path / "zip").read_bytes() == CONTENT


async def test_takes_up_a_broken_connection_where_it_broke(tmp_path):
    with HostileStore(part(3000), part(4000), part(MOST)) as store:
        await fetch(store, tmp_path / "zip")

    assert (tmp_path / "zip").read_bytes() == CONTENT
    assert [asked.fields.get("range") for asked in store.asked] == [None, "bytes=3000-", "bytes=7000-"]
    assert [asked.fields.get("if-match") for asked in store.asked] == [None, ETAG, ETAG]


@pytest.mark.parametrize("first", [nothing, silence, error(503, "SlowDown", "Slow down"), error(500, "x", "y")])
async def test_tries_again_after_a_failure_that_may_pass(tmp_path, first):
    with HostileStore(first, whole()) as store:
        await fetch(store, tmp_path / "zip")

    assert (tmp_path / "zip").read_bytes() == CONTENT


async def test_begins_anew_when_the_object_was_replaced_meanwhile(tmp_path):
    other = CONTENT[::-1]
    changed = error(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
    with HostileStore(part(3000), changed, part(MOST, other, '"other"')) as store:
        found = await fetch(store, tmp_path / "zip")

    assert ((tmp_path / "zip").read_bytes(), found.etag) == (other, '"other"')


@pytest.mark.parametrize(
    "liar",
    [
        part(MOST, CONTENT[::-1], '"other"'),
        lambda _: response(206, CONTENT[:7000], etag=ETAG, content_range=f"bytes 0-6999/{MOST}"),
        lambda _: response(206, CONTENT[3000:], etag=ETAG, content_range=f"bytes 3000-{MOST}/{MOST + 1}"),
        lambda _: response(206, CONTENT[3000:], etag=ETAG),
        lambda _: response(206, CONTENT[3000:], content_range=f"bytes 3000-{MOST - 1}/{MOST}"),
    ],
)
async def test_never_joins_what_does_not_belong_together(tmp_path, liar):
    with HostileStore(part(3000), liar, whole()) as store:
        await fetch(store, tmp_path / "zip")

    assert (tmp_path / "zip").read_bytes() == CONTENT


async def test_takes_the_whole_object_from_a_store_without_ranges(tmp_path):
    with HostileStore(part(3000), whole()) as store:
        await fetch(store, tmp_path / "zip")

    assert (tmp_path / "zip").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "broken",
    [
        nothing,
        silence,
        part(0),
        whole(content_length=MOST * 2),
        error(500, "InternalError", "x"),
        lambda _: b"HTP/0\r\n",
    ],
)
async def test_gives_up_on_a_store_that_stays_broken(tmp_path, caplog, broken):
    with HostileStore(broken) as store, pytest.raises(ServiceException) as failed:
        await fetch(store, tmp_path / "zip", MOST * 4)

    assert failed.value.message == "Error occurred while GetObject. The object store cannot be reached."
    assert len(store.asked) == _transfer.TRIES
    assert not (tmp_path / "zip").exists()
    assert "the object store cannot be used" in caplog.text


async def test_gives_up_where_nobody_listens(tmp_path):
    with HostileStore(nothing) as gone:
        pass
    with pytest.raises(ServiceException):
        await fetch(gone, tmp_path / "zip")


async def test_a_body_that_is_damaged_on_its_way_is_fetched_again(tmp_path):
    damaged = whole(CONTENT[:-1] + b"!", x_amz_checksum_crc32=crc32(CONTENT))
    with HostileStore(damaged, whole(x_amz_checksum_crc32=crc32(CONTENT))) as store:
        await fetch(store, tmp_path / "zip")

    assert (tmp_path / "zip").read_bytes() == CONTENT


def crc32(content: bytes) -> str:
    import base64
    import zlib

    return base64.b64encode(zlib.crc32(content).to_bytes(4, "big")).decode()


@pytest.mark.parametrize("answer", [whole(), whole(content_length=None)], ids=["announced", "not announced"])
async def test_refuses_more_than_is_wanted(tmp_path, answer):
    with HostileStore(answer) as store, pytest.raises(InvalidParameterValueException) as refused:
        await fetch(store, tmp_path / "zip", MOST - 1)

    assert refused.value.message == f"Zipped size must be smaller than {MOST - 1} bytes"
    assert len(store.asked) == 1
    assert not (tmp_path / "zip").exists()


async def test_accepts_a_body_of_unknown_length(tmp_path):
    with HostileStore(whole(content_length=None)) as store:
        assert (await fetch(store, tmp_path / "zip")).size == MOST


@pytest.mark.parametrize(
    ("status", "code", "said", "version", "shown", "message"),
    [
        (404, "NoSuchBucket", "no such bucket!", None, "NoSuchBucket", "The specified bucket does not exist"),
        (404, "NoSuchKey", "?", None, "NoSuchKey", "The specified key does not exist."),
        (404, "NoSuchKey", "?", "v", "NoSuchVersion", "The specified version does not exist."),
        (404, "NoSuchVersion", "?", "v", "NoSuchVersion", "The specified version does not exist."),
        (400, "InvalidArgument", "?", "v", "InvalidArgument", "Invalid version id specified"),
        (400, "InvalidArgument", "Its own words", None, "InvalidArgument", "Its own words"),
        (403, "AccessDenied", "Access Denied.", None, "AccessDenied", "Access Denied"),
        (403, "InvalidObjectState", "It is archived", None, "InvalidObjectState", "It is archived"),
        (
            301,
            "PermanentRedirect",
            "elsewhere",
            None,
            "PermanentRedirect",
            "The bucket you are attempting to access must be addressed using the specified endpoint. "
            "Please send all future requests to this endpoint.",
        ),
    ],
)
async def test_refusals_are_in_the_words_of_lambda(tmp_path, status, code, said, version, shown, message):
    with HostileStore(error(status, code, said)) as store, pytest.raises(InvalidParameterValueException) as refused:
        await objects(store).download(location(version), tmp_path / "zip", MOST)

    assert refused.value.message == (
        f"Error occurred while GetObject. S3 Error Code: {shown}. S3 Error Message: {message}"
    )
    assert len(store.asked) == 1
    assert not (tmp_path / "zip").exists()


async def test_reads_into_memory():
    with HostileStore(part(3000), part(MOST)) as store:
        assert await objects(store).read(location(), MOST) == CONTENT


async def test_writes_and_says_the_version():
    with HostileStore(lambda _: response(200, b"", etag=ETAG, x_amz_version_id="v7")) as store:
        assert await objects(store).write("code", "k", b"data") == "v7"

    assert store.asked[0].line.startswith("PUT /code/k ")


async def test_names_the_operation_that_was_refused():
    with HostileStore(error(403, "AccessDenied", "no")) as store:
        with pytest.raises(InvalidParameterValueException, match=r"while PutObject\. S3 Error Code: AccessDenied"):
            await objects(store).write("code", "k", b"")
        with pytest.raises(InvalidParameterValueException, match="while GetBucketVersioning"):
            await objects(store).is_versioned("code")


@pytest.mark.parametrize(
    ("status", "answer"), [("<Status>Enabled</Status>", True), ("<Status>Suspended</Status>", False), ("", False)]
)
async def test_tells_whether_a_bucket_has_versions(status, answer):
    body = f"<VersioningConfiguration>{status}</VersioningConfiguration>".encode()
    with HostileStore(lambda _: response(200, body)) as store:
        assert await objects(store).is_versioned("code") is answer


async def test_the_event_loop_goes_on_meanwhile(tmp_path):
    with HostileStore(silence, whole()) as store:
        fetching = asyncio.create_task(fetch(store, tmp_path / "zip"))
        longest, last = 0.0, time.monotonic()
        while not fetching.done():
            await asyncio.sleep(0.005)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
        await fetching

    assert longest < 0.25


async def test_who_goes_away_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(_remote, "_READ_SECONDS", 0.2)
    with HostileStore(silence) as store:
        fetching = asyncio.create_task(fetch(store, tmp_path / "zip"))
        await asyncio.to_thread(store.has_asked.wait, 5)
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetching
        for thread in threading.enumerate():
            if thread.name == "lamina-s3":
                await asyncio.to_thread(thread.join, 5)
        assert not (tmp_path / "zip").exists()

    assert len(store.asked) == 1


async def test_a_full_disk_is_no_fault_of_the_store():
    class FullDisk(io.BytesIO):
        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    with HostileStore(whole()) as store, pytest.raises(OSError, match="No space left"):
        await asyncio.to_thread(
            lambda: _transfer.Transfer(
                objects(store)._client("us-east-1").get_object, location(), FullDisk(), MOST, threading.Event()
            ).run()
        )
    assert len(store.asked) == 1


async def test_a_folder_that_is_not_there_is_no_fault_of_the_store(tmp_path):
    with HostileStore(whole()) as store, pytest.raises(FileNotFoundError):
        await fetch(store, tmp_path / "none" / "zip")
    assert not store.asked


async def test_says_which_credentials_are_missing(tmp_path, monkeypatch):
    _without_credentials(monkeypatch, tmp_path)
    with HostileStore(whole()) as store:
        nameless = objects(store, access_key_id=None, secret_access_key=None)
        with pytest.raises(InvalidParameterValueException, match="Unable to locate credentials"):
            await nameless.read(location(), MOST)
        with pytest.raises(NoUpstream, match="There are no keys"):
            await nameless.upstream()

    assert not store.asked


def _without_credentials(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(home / "none"))


async def test_takes_the_credentials_of_the_environment(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "FROMENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    with HostileStore(whole()) as store:
        plain = objects(store, access_key_id=None, secret_access_key=None, region="eu-west-1")
        await plain.read(location(), MOST)
        upstream = await plain.upstream()

    assert "Credential=FROMENVIRONMENT/" in store.asked[0].fields["authorization"]
    assert (upstream.endpoint, upstream.access_key_id, upstream.region) == (
        store.endpoint,
        "FROMENVIRONMENT",
        "eu-west-1",
    )
    assert "s'" not in repr(upstream)


async def test_a_version_asked_for_in_memory_or_not(tmp_path):
    memory = MemoryObjects()
    memory.make_bucket("code", versioned=True, region="eu-central-1")
    first, second = await memory.write("code", "k", b"one"), await memory.write("code", "k", b"two")

    assert first != second
    assert await memory.read(location(first, key="k"), 3) == b"one"
    assert (await memory.download(location(key="k"), tmp_path / "zip", 3)).version == second
    assert (tmp_path / "zip").read_bytes() == b"two"
    for wrong, code in ((location("x", key="k"), "NoSuchVersion"), (location(), "NoSuchKey")):
        with pytest.raises(InvalidParameterValueException, match=code):
            await memory.read(wrong, 3)
    with pytest.raises(InvalidParameterValueException, match="PermanentRedirect"):
        await memory.read(location(key="k", region="us-east-1"), 3)
    with pytest.raises(InvalidParameterValueException, match="Zipped size"):
        await memory.read(location(key="k"), 2)
    with pytest.raises(InvalidParameterValueException, match="NoSuchBucket"):
        await memory.is_versioned("none")


def test_what_was_wrong_stands_in_the_log_only(caplog):
    with caplog.at_level(logging.WARNING):
        answer = _refusals.unreachable("GetObject", "http://10.0.0.1 refused")

    assert "10.0.0.1" in caplog.text
    assert "10.0.0.1" not in str(answer)
