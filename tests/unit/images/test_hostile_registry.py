"""Registries that are slow, broken or hostile."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import pytest_asyncio

from lamina.errors import AccessDeniedException, InvalidParameterValueException, ServiceException
from lamina.images import ImageAccessDenied, ImageLimits, Images, ImageUnavailable, InvalidImage, Registries
from lamina.images._authorization import parse_challenges
from tests._registry import digest_of, make_image
from tests.unit.images.hostile import Registry, fail, reply, say, times

MANIFEST = "/v2/app/manifests/v1"
LIMITS = ImageLimits(read_seconds=0.3, connect_seconds=0.3, resolve_seconds=3.0, blob_seconds=3.0, slowest=1_000_000)


@pytest.fixture
def registry() -> Iterator[Registry]:
    started = Registry(make_image([{"file": os.urandom(300_000)}, {"other": b"2"}]))
    yield started
    started.stop()


@pytest.fixture
def elsewhere() -> Iterator[Registry]:
    started = Registry(make_image([{"file": b"x"}]))
    yield started
    started.stop()


@pytest_asyncio.fixture
async def images(tmp_path: Path, registry: Registry) -> AsyncIterator[Images]:
    named = Registries.parse(f"known.test=http://user:secret@{registry.host}")
    made = Images(tmp_path / "images", named, limits=LIMITS, grace_seconds=0)
    yield made
    await asyncio.to_thread(made.close)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("images", "layers"))]


async def fetched(images: Images, registry: Registry) -> bytes:
    image = await images.fetch(await images.resolve(registry.uri))
    return (image.layers[0] / "file").read_bytes()


def left_over(tmp_path: Path) -> list[str]:
    folders = ("making", "layers", "images")
    return [path.name for folder in folders for path in (tmp_path / "images" / folder).iterdir()]


# What heals


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_a_passing_error_is_tried_again(images: Images, registry: Registry, status: int) -> None:
    registry.answers[MANIFEST] = times(fail(status, Retry_After="0"), registry.answer_normally)
    registry.answers[registry.blob()] = times(fail(status), registry.answer_normally)
    assert len(await fetched(images, registry)) == 300_000


@pytest.mark.slow
async def test_a_retry_comes_when_the_registry_wants_it(images: Images, registry: Registry) -> None:
    registry.answers[MANIFEST] = times(fail(429, Retry_After="1"), registry.answer_normally)
    loop = asyncio.get_running_loop()
    start = loop.time()
    await images.resolve(registry.uri)
    assert loop.time() - start >= 1


async def test_a_broken_transfer_goes_on_where_it_broke(images: Images, registry: Registry) -> None:
    path = registry.blob()
    data = registry.made.blobs[path.rpartition("/")[2]]

    def broken(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data[:100_000])
        request.close_connection = True

    def rest(request: BaseHTTPRequestHandler) -> None:
        start = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        reply(request, data[start:], 206, Content_Range=f"bytes {start}-{len(data) - 1}/{len(data)}")

    registry.answers[path] = times(broken, rest)
    assert len(await fetched(images, registry)) == 300_000
    assert [headers.get("Range") for seen, headers in registry.seen if seen == path] == [None, "bytes=100000-"]


async def test_a_server_without_ranges_starts_again(images: Images, registry: Registry) -> None:
    path = registry.blob()
    data = registry.made.blobs[path.rpartition("/")[2]]

    def broken(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write(data[:100_000])
        request.close_connection = True

    registry.answers[path] = times(broken, registry.answer_normally)
    assert len(await fetched(images, registry)) == 300_000


# What does not


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:], lambda data: data[:-1], lambda data: data + b"x"],
)
async def test_a_blob_that_is_another(images: Images, registry: Registry, tmp_path: Path, change: object) -> None:
    digest = registry.blob().rpartition("/")[2]
    registry.answers[registry.blob()] = say(change(registry.made.blobs[digest]))
    with pytest.raises(ImageUnavailable):
        await fetched(images, registry)
    assert not [*(tmp_path / "images/making").iterdir(), *(tmp_path / "images/images").iterdir()]


async def test_an_endless_blob_ends(images: Images, registry: Registry, tmp_path: Path) -> None:
    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        while not registry.ended.is_set():
            request.wfile.write(bytes(65536))

    registry.answers[registry.blob()] = endless
    with pytest.raises(InvalidImage):
        await fetched(images, registry)
    registry.answers[registry.blob(-1)] = endless
    with pytest.raises(InvalidParameterValueException):
        await images.resolve(registry.uri)
    registry.answers[MANIFEST] = endless
    with pytest.raises(InvalidParameterValueException):
        await images.resolve(registry.uri)


@pytest.mark.slow
@pytest.mark.parametrize("part", ["status", "headers", "body"])
async def test_a_registry_that_drips(images: Images, registry: Registry, part: str) -> None:
    def drip(request: BaseHTTPRequestHandler) -> None:
        if part != "status":
            request.wfile.write(b"HTTP/1.1 200 OK\r\n")
        if part == "body":
            request.wfile.write(b"Content-Length: 100000\r\n\r\n")
        while not registry.ended.wait(0.05):
            request.wfile.write(b"x")
            request.wfile.flush()

    registry.answers[MANIFEST] = drip
    loop = asyncio.get_running_loop()
    start = loop.time()
    with pytest.raises(ServiceException):
        await images.resolve(registry.uri)
    assert loop.time() - start < LIMITS.resolve_seconds + 3


@pytest.mark.slow
async def test_a_registry_that_says_nothing(images: Images, registry: Registry) -> None:
    registry.answers[MANIFEST] = lambda request: registry.ended.wait() and None
    with pytest.raises(ServiceException):
        await images.resolve(registry.uri)


async def test_closing_ends_a_transfer(tmp_path: Path, registry: Registry) -> None:
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hang(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        loop.call_soon_threadsafe(begun.set)
        registry.ended.wait()

    registry.answers[registry.blob()] = hang
    images = Images(tmp_path / "images", limits=ImageLimits(read_seconds=600))
    fetching = asyncio.create_task(fetched(images, registry))
    await begun.wait()
    await asyncio.to_thread(images.close)
    with pytest.raises(ImageUnavailable):
        await fetching
    assert list((tmp_path / "images/making").iterdir()) == []


async def test_html_is_no_manifest(images: Images, registry: Registry) -> None:
    page = b"<html>Please log in</html>"
    registry.answers[MANIFEST] = say(page, Content_Type="text/html")
    with pytest.raises(InvalidParameterValueException) as caught:
        await images.resolve(registry.uri)
    assert caught.value.message == (
        f"The image manifest or layer media type for the source image {registry.host}/app@{digest_of(page)} "
        "is not supported."
    )


@pytest.mark.parametrize(
    "change",
    [
        {"layers": []},
        {"layers": "x"},
        {"layers": [None]},
        {"config": None},
        {"layers": [{"mediaType": "x"}]},
        {"schemaVersion": 1},
        {"mediaType": "application/vnd.oci.image.index.v1+json"},
        {"manifests": []},
        {"config": {"mediaType": "application/vnd.oci.empty.v1+json", "size": 2, "digest": "sha256:" + "0" * 64}},
        {"config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": -1, "digest": "sha256:x"}},
    ],
)
async def test_manifests_that_are_none(images: Images, registry: Registry, change: dict[str, object]) -> None:
    manifest = {**json.loads(registry.made.manifest), **change}
    registry.answers[MANIFEST] = say(json.dumps(manifest).encode(), Content_Type=registry.made.media_type)
    with pytest.raises(InvalidParameterValueException, match=r"is not (valid|supported)"):
        await images.resolve(registry.uri)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b'"x"', b"\xff"])
async def test_a_manifest_that_is_no_object(images: Images, registry: Registry, body: bytes) -> None:
    registry.answers[MANIFEST] = say(body, Content_Type=registry.made.media_type)
    with pytest.raises(InvalidParameterValueException, match="is not valid"):
        await images.resolve(registry.uri)


async def test_a_manifest_with_another_digest(images: Images, registry: Registry) -> None:
    uri = f"{registry.host}/app@sha256:{'0' * 64}"
    made = registry.made
    registry.answers[f"/v2/app/manifests/sha256:{'0' * 64}"] = say(made.manifest, Content_Type=made.media_type)
    with pytest.raises(InvalidParameterValueException, match="is not valid"):
        await images.resolve(uri)


async def test_a_layer_whose_tar_is_another(images: Images, tmp_path: Path) -> None:
    honest, other = make_image([{"file": b"1"}]), make_image([{"file": b"2"}])
    config, manifest = json.loads(list(honest.blobs.values())[1]), json.loads(honest.manifest)
    config["rootfs"] = json.loads(list(other.blobs.values())[1])["rootfs"]
    data = json.dumps(config).encode()
    manifest["config"] |= {"digest": digest_of(data), "size": len(data)}
    lying = type(honest)({**honest.blobs, digest_of(data): data}, json.dumps(manifest).encode())
    registry = Registry(lying)
    try:
        with pytest.raises(InvalidImage):
            await fetched(images, registry)
        assert left_over(tmp_path) == []
    finally:
        registry.stop()


@pytest.mark.parametrize("architecture", ["386", "", None, "s390x"])
async def test_an_image_that_cannot_run_on_lambda(images: Images, architecture: str) -> None:
    registry = Registry(make_image([{"file": b"1"}], architecture=architecture))
    try:
        with pytest.raises(InvalidParameterValueException, match="is not valid"):
            await images.resolve(registry.uri)
    finally:
        registry.stop()


async def test_a_disk_that_is_full_is_no_fault_of_the_registry(
    images: Images, registry: Registry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    resolved = await images.resolve(registry.uri)

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lamina.images._client._Transfer.add", full)
    with pytest.raises(OSError, match="No space"):
        await images.fetch(resolved)
    assert left_over(tmp_path) == []


# Credentials


async def test_authorization_stays_with_its_host(images: Images, registry: Registry, elsewhere: Registry) -> None:
    path = registry.blob()
    digest = path.rpartition("/")[2]
    data = registry.made.blobs[digest]
    elsewhere.answers["/there"] = say(data)
    normal = registry.answer_normally
    challenge = fail(401, WWW_Authenticate='Basic realm="x"')

    def guarded(request: BaseHTTPRequestHandler) -> None:
        if "Authorization" not in request.headers:
            challenge(request)
        elif request.path == path:
            reply(request, b"", 307, Location=f"http://{elsewhere.host}/there?signature=1")
        else:
            normal(request)

    for each in (MANIFEST, path, registry.blob(1), registry.blob(-1)):
        registry.answers[each] = guarded
    image = await images.fetch(await images.resolve("known.test/app:v1"))
    assert (image.layers[0] / "file").is_file()
    assert [seen for seen, _ in elsewhere.seen] == ["/there?signature=1"]
    assert all("Authorization" not in headers for _, headers in elsewhere.seen)
    wanted = "Basic " + base64.b64encode(b"user:secret").decode()
    assert {headers.get("Authorization") for _, headers in registry.seen} == {None, wanted}


async def test_a_foreign_host_gets_no_credentials_on_demand(
    images: Images, registry: Registry, elsewhere: Registry
) -> None:
    registry.answers[MANIFEST] = fail(302, Location=f"http://{elsewhere.host}/steal")
    elsewhere.answers["/steal"] = fail(401, WWW_Authenticate='Basic realm="x"')
    with pytest.raises(AccessDeniedException):
        await images.resolve("known.test/app:v1")
    assert all("Authorization" not in headers for _, headers in elsewhere.seen)


@pytest.mark.parametrize(
    "challenge", ['Basic realm="x"', 'Bearer realm="http://{}/token"', "Digest a=b", "Negotiate", ""]
)
async def test_refusals_without_end(images: Images, registry: Registry, challenge: str) -> None:
    registry.answers[MANIFEST] = fail(401, WWW_Authenticate=challenge.format(registry.host))
    registry.answers["/token"] = say(b'{"token": "t"}')
    with pytest.raises(AccessDeniedException):
        await images.resolve("known.test/app:v1")
    assert len(registry.seen) <= 3


async def test_a_token_that_runs_out_is_renewed(images: Images, registry: Registry) -> None:
    normal = registry.answer_normally
    tokens = iter(["first", "second"])
    challenge = fail(401, WWW_Authenticate=f'Bearer realm="http://{registry.host}/token",service="s"')

    def guarded(request: BaseHTTPRequestHandler) -> None:
        wanted = "first" if request.path == MANIFEST else "second"
        good = request.headers.get("Authorization") == f"Bearer {wanted}"
        (normal if good else challenge)(request)

    registry.answers["/token"] = lambda request: reply(request, json.dumps({"access_token": next(tokens)}).encode())
    registry.answers[MANIFEST] = registry.answers[registry.blob(-1)] = guarded
    assert (await images.resolve("known.test/app:v1")).digest == registry.made.digest
    asked = [path for path, _ in registry.seen if path.startswith("/token")]
    assert asked == ["/token?service=s&scope=repository%3Aapp%3Apull"] * 2


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"token": 1}', b'{"token": "a\\r\\nHost: x"}', b'{"token": ""}'])
async def test_a_token_server_that_is_broken(images: Images, registry: Registry, body: bytes) -> None:
    registry.answers[MANIFEST] = fail(401, WWW_Authenticate=f'Bearer realm="http://{registry.host}/token"')
    registry.answers["/token"] = say(body)
    with pytest.raises(ServiceException):
        await images.resolve(registry.uri)


@pytest.mark.parametrize(
    "location", ["ftp://x/y", "http://user:p@127.0.0.1/x", "file:///etc/passwd", "/v2/app/manifests/v1"]
)
async def test_redirects_to_nowhere(images: Images, registry: Registry, location: str) -> None:
    registry.answers[MANIFEST] = fail(307, Location=location)
    with pytest.raises(ServiceException):
        await images.resolve(registry.uri)


async def test_denied_when_the_image_is_needed_again(images: Images, registry: Registry) -> None:
    resolved = await images.resolve(registry.uri)
    registry.answers[f"/v2/app/manifests/{resolved.digest}"] = fail(403)
    with pytest.raises(ImageAccessDenied) as caught:
        await images.image(resolved.digest, resolved.resolved_uri)
    assert caught.value.reason_code == "ImageAccessDenied"


def test_challenges() -> None:
    header = 'Basic realm="a, b", Bearer realm="https://t/x?y=1",service="s",scope="repository:app:pull,push"'
    assert parse_challenges([header]) == {
        "basic": {"realm": "a, b"},
        "bearer": {"realm": "https://t/x?y=1", "service": "s", "scope": "repository:app:pull,push"},
    }
