"""Images from a real registry: resolved, fetched, unpacked, kept."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import shutil
import subprocess
import threading
import time
import urllib.parse
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import pytest_asyncio

from lamina.errors import AccessDeniedException, InvalidParameterValueException, ServiceException
from lamina.images import ImageDeleted, Images, ImageUnavailable, Registries, merge
from tests._registry import (
    OCI_MANIFEST,
    PASSWORD,
    USER,
    Link,
    Registry,
    basic,
    delete_manifest,
    needs_registry,
    push,
    put_manifest,
)

pytestmark = needs_registry
ECR = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
BASE = {"etc/": None, "etc/name": b"base", "bin/": None, "bin/sh": Link("busybox"), "app.py": b"old"}
TOP = {"app.py": b"new", "etc/.wh.name": b"", "etc/other": b"2"}
CONFIG = {"Entrypoint": ["/bin/sh"], "Cmd": ["-c", "x"], "Env": ["A=b=c"], "WorkingDir": "/var/task", "User": "993"}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    started = Registry(tmp_path_factory.mktemp("registry") / "plain")
    yield started
    started.stop()


@pytest_asyncio.fixture
async def images(tmp_path: Path, registry: Registry) -> AsyncIterator[Images]:
    made = Images(tmp_path / "images", Registries.parse(f"{ECR}={registry.url}"), grace_seconds=0)
    yield made
    await asyncio.to_thread(made.close)


async def test_a_tag_becomes_layers_and_a_config(images: Images, registry: Registry) -> None:
    digest = push(registry, "app", "v1", [BASE, TOP], CONFIG)
    resolved = await images.resolve(f"{ECR}/app:v1", "us-east-1")
    assert (resolved.digest, resolved.resolved_uri) == (digest, f"{ECR}/app@{digest}")
    image = await images.fetch(resolved)
    assert (image.layers[0] / "app.py").read_bytes() == b"old"
    assert (image.layers[1] / "app.py").read_bytes() == b"new"
    assert (image.entrypoint, image.command) == (("/bin/sh",), ("-c", "x"))
    assert (dict(image.environment), image.working_directory, image.user) == ({"A": "b=c"}, "/var/task", "993")
    assert image.architecture == "x86_64"
    assert image.size > 0


async def test_the_merged_tree_is_what_the_image_shows(images: Images, registry: Registry, tmp_path: Path) -> None:
    push(registry, "merged", "v1", [BASE, TOP])
    image = await images.fetch(await images.resolve(f"{ECR}/merged:v1"))
    merge(image.layers, tmp_path / "tree")
    shown = {str(path.relative_to(tmp_path / "tree")) for path in (tmp_path / "tree").rglob("*")}
    assert shown == {"etc", "etc/other", "bin", "bin/sh", "app.py"}
    assert (tmp_path / "tree/app.py").read_bytes() == b"new"


@pytest.mark.parametrize(
    ("pack", "kind"),
    [
        (lambda tar: tar, "application/vnd.oci.image.layer.v1.tar"),
        (gzip.compress, "application/vnd.oci.image.layer.v1.tar+gzip"),
        (
            lambda tar: gzip.compress(tar[:700]) + gzip.compress(tar[700:]),
            "application/vnd.oci.image.layer.v1.tar+gzip",
        ),
        pytest.param(
            lambda tar: subprocess.run(["zstd", "-c"], input=tar, capture_output=True, check=True).stdout,
            "application/vnd.oci.image.layer.v1.tar+zstd",
            marks=pytest.mark.skipif(shutil.which("zstd") is None, reason="the program zstd is missing"),
        ),
    ],
    ids=["tar", "gzip", "gzip-members", "zstd"],
)
async def test_oci_images_of_each_compression(images: Images, registry: Registry, pack: object, kind: str) -> None:
    push(
        registry,
        "oci",
        "v1",
        [BASE],
        pack=pack,
        layer_type=kind,
        media_type=OCI_MANIFEST,
        config_type="application/vnd.oci.image.config.v1+json",
    )
    image = await images.fetch(await images.resolve(f"{ECR}/oci:v1"))
    assert (image.layers[0] / "etc/name").read_bytes() == b"base"


async def test_a_moved_tag_does_not_move_the_image(images: Images, registry: Registry) -> None:
    old = push(registry, "moving", "latest", [BASE])
    resolved = await images.resolve(f"{ECR}/moving:latest")
    await images.fetch(resolved)
    new = push(registry, "moving", "latest", [{"app.py": b"newest"}])
    assert (await images.resolve(f"{ECR}/moving:latest")).digest == new
    image = await images.image(old, resolved.resolved_uri)
    assert (image.layers[0] / "app.py").read_bytes() == b"old"


async def test_a_missing_layer_is_fetched_again(images: Images, registry: Registry) -> None:
    push(registry, "again", "v1", [BASE, {"second": b"2"}])
    resolved = await images.resolve(f"{ECR}/again:v1")
    image = await images.fetch(resolved)
    shutil.rmtree(image.layers[1])
    image = await images.image(resolved.digest, resolved.resolved_uri)
    assert (image.layers[1] / "second").read_bytes() == b"2"


async def test_an_image_that_is_gone_everywhere_was_deleted(images: Images, registry: Registry) -> None:
    digest = push(registry, "gone", "v1", [{"only": b"here"}])
    resolved = await images.resolve(f"{ECR}/gone:v1")
    delete_manifest(registry, "gone", digest)
    with pytest.raises(ImageDeleted) as caught:
        await images.image(digest, resolved.resolved_uri)
    assert caught.value.reason_code == "ImageDeleted"
    assert caught.value.message == f"Source image {ECR}/gone@{digest} does not exist. Provide a valid source image."


async def test_a_missing_image_does_not_exist(images: Images, registry: Registry) -> None:
    for uri in (f"{ECR}/never:v1", f"{ECR}/never@sha256:{'0' * 64}"):
        with pytest.raises(InvalidParameterValueException) as caught:
            await images.resolve(uri)
        assert caught.value.message == f"Source image {uri} does not exist. Provide a valid source image."


async def test_an_image_of_ecr_is_of_the_functions_region(images: Images, registry: Registry) -> None:
    push(registry, "regional", "v1", [BASE])
    with pytest.raises(InvalidParameterValueException, match="is not valid"):
        await images.resolve(f"{ECR}/regional:v1", "eu-west-1")


@pytest.mark.parametrize(
    "kind",
    [
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.index.v1+json",
    ],
)
async def test_a_list_of_images_is_not_supported(images: Images, registry: Registry, kind: str) -> None:
    digest = push(registry, "list", "amd64", [BASE])
    entry = {"mediaType": "application/vnd.docker.distribution.manifest.v2+json", "digest": digest, "size": 1}
    platform = {"architecture": "amd64", "os": "linux"}
    members = {"schemaVersion": 2, "mediaType": kind, "manifests": [{**entry, "platform": platform}]}
    put_manifest(registry, "list", "all", json.dumps(members).encode(), kind)
    with pytest.raises(InvalidParameterValueException) as caught:
        await images.resolve(f"{ECR}/list:all")
    start = f"The image manifest or layer media type for the source image {ECR}/list@sha256:"
    assert caught.value.message is not None
    assert caught.value.message.startswith(start)
    assert caught.value.message.endswith(" is not supported.")


async def test_unmapped_loopback_names_are_registries_themselves(images: Images, registry: Registry) -> None:
    digest = push(registry, "direct", "v1", [BASE])
    assert (await images.resolve(f"{registry.host}/direct:v1")).digest == digest


async def test_many_at_once_fetch_a_layer_once(images: Images, registry: Registry, tmp_path: Path) -> None:
    push(registry, "race", "v1", [BASE, {"a": b"a"}])
    push(registry, "race", "v2", [BASE, {"b": b"b"}])
    resolved = [await images.resolve(f"{ECR}/race:v{number}") for number in (1, 2)]
    fetched = await asyncio.gather(*(images.fetch(each) for each in resolved * 4))
    assert len({image.layers[0] for image in fetched}) == 1
    assert len(list((tmp_path / "images/layers").iterdir())) == 3
    assert list((tmp_path / "images/making").iterdir()) == []


async def test_collecting_keeps_layers_that_another_image_has(images: Images, registry: Registry) -> None:
    push(registry, "kept", "v1", [BASE, {"mine": b"1"}])
    push(registry, "kept", "v2", [BASE, {"theirs": b"2"}])
    one, two = [await images.fetch(await images.resolve(f"{ECR}/kept:v{number}")) for number in (1, 2)]
    assert await asyncio.to_thread(images.collect, {one.digest}) == [two.digest]
    assert all(path.is_dir() for path in one.layers)
    assert not two.layers[1].exists()


async def test_a_registry_that_is_down_is_an_error_of_ours(images: Images, tmp_path: Path) -> None:
    stopped = Registry(tmp_path / "stopped")
    digest = push(stopped, "app", "v1", [BASE])
    stopped.stop()
    with pytest.raises(ServiceException):
        await images.resolve(f"{stopped.host}/app:v1")
    with pytest.raises(ImageUnavailable) as caught:
        await images.image(digest, f"{stopped.host}/app@{digest}")
    assert caught.value.reason_code == "InternalError"


async def test_basic_authentication(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "basic", {"htpasswd": {}})
    registry.headers = basic()
    try:
        digest = push(registry, "app", "v1", [BASE])
        known = Images(tmp_path / "a", Registries.parse(f"known.test=http://{USER}:{PASSWORD}@{registry.host}"))
        assert (await known.fetch(await known.resolve("known.test/app:v1"))).digest == digest
        known.close()
        unknown = Images(
            tmp_path / "b", Registries.parse(f"wrong.test=http://{USER}:no@{registry.host} none.test={registry.url}")
        )
        for uri in ("wrong.test/app:v1", "none.test/app:v1"):
            with pytest.raises(AccessDeniedException, match="does not have permission to access the ECR image"):
                await unknown.resolve(uri)
        unknown.close()
    finally:
        registry.stop()


async def test_tokens_of_a_token_server(tmp_path: Path) -> None:
    server = TokenServer(tmp_path)
    registry = Registry(tmp_path / "tokens", {"token": server.settings})
    registry.headers = {"Authorization": f"Bearer {server.token('repository:app:pull,push')}"}
    try:
        digest = push(registry, "app", "v1", [BASE])
        names = f"known.test=http://{USER}:{PASSWORD}@{registry.host},wrong.test=http://{USER}:no@{registry.host}"
        images = Images(tmp_path / "images", Registries.parse(names))
        assert (await images.fetch(await images.resolve("known.test/app:v1"))).digest == digest
        with pytest.raises(AccessDeniedException):
            await images.resolve("wrong.test/app:v1")
        images.close()
        assert server.scopes == ["repository:app:pull"] * len(server.scopes) != []
    finally:
        registry.stop()
        server.stop()


class TokenServer:
    """Gives tokens that the registry trusts to whoever has the password."""

    def __init__(self, folder: Path) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tokens")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder(name, name, self._key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .sign(self._key, hashes.SHA256())
        )
        self._certificate = certificate.public_bytes(serialization.Encoding.DER)
        bundle = folder / "tokens.pem"
        bundle.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self.scopes: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        realm = f"http://127.0.0.1:{self._server.server_port}/token"
        self.settings = {"realm": realm, "service": "tests", "issuer": "tests", "rootcertbundle": str(bundle)}

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        allowed = request.headers.get("Authorization") == basic()["Authorization"]
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(request.path).query)
        self.scopes.append(query["scope"][0])
        body = json.dumps({"token": self.token(query["scope"][0])} if allowed else {}).encode()
        request.send_response(200 if allowed else 401)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def token(self, scope: str) -> str:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, utils

        kind, name, actions = scope.split(":")
        now = int(time.time())
        claims = {
            "iss": "tests",
            "aud": "tests",
            "sub": USER,
            "exp": now + 600,
            "nbf": now - 60,
            "iat": now,
            "access": [{"type": kind, "name": name, "actions": actions.split(",")}],
        }
        header = {"typ": "JWT", "alg": "ES256", "x5c": [base64.b64encode(self._certificate).decode()]}
        text = ".".join(_segment(json.dumps(part).encode()) for part in (header, claims))
        r, s = utils.decode_dss_signature(self._key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{_segment(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _segment(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
