"""Registries behind TLS: certificates are checked, and a secure one does not lead into the clear."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from lamina.errors import ServiceException
from lamina.images import Images, Registries
from lamina.images._client import _redirected
from lamina.images._faults import Unreachable
from tests._registry import make_image
from tests.unit.images.hostile import Registry


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    started = Registry(make_image([{"file": b"x"}]), tls=make_certificate(tmp_path / "tls.pem"))
    yield started
    started.stop()


@pytest_asyncio.fixture
async def images(tmp_path: Path, registry: Registry) -> AsyncIterator[Images]:
    made = Images(tmp_path / "images", Registries.parse(f"app.test=https://{registry.host}", tmp_path / "tls.pem"))
    yield made
    await asyncio.to_thread(made.close)


async def test_a_certificate_of_the_ca_file(images: Images) -> None:
    image = await images.fetch(await images.resolve("app.test/app:v1"))
    assert (image.layers[0] / "file").read_bytes() == b"x"


async def test_an_unknown_certificate(tmp_path: Path, registry: Registry) -> None:
    images = Images(tmp_path / "other", Registries.parse(f"app.test=https://{registry.host}"))
    try:
        with pytest.raises(ServiceException) as caught:
            await images.resolve("app.test/app:v1")
        assert "CERTIFICATE_VERIFY_FAILED" in str(caught.value.__cause__)
        assert registry.connections == 1
    finally:
        await asyncio.to_thread(images.close)


async def test_a_ca_file_that_is_missing(tmp_path: Path) -> None:
    images = Images(tmp_path / "other", Registries(ca_file=tmp_path / "missing.pem"))
    try:
        with pytest.raises(ServiceException):
            await images.resolve("127.0.0.1:1/app:v1")
    finally:
        await asyncio.to_thread(images.close)


def test_no_redirect_from_https_into_the_clear() -> None:
    with pytest.raises(Unreachable):
        _redirected("https://registry.test/v2/", "http://blobs.test/x")
    assert _redirected("https://registry.test/v2/", "http://127.0.0.1/x") == "http://127.0.0.1/x"
    assert _redirected("https://registry.test/v2/", "https://blobs.test/x") == "https://blobs.test/x"


def make_certificate(path: Path) -> ssl.SSLContext:
    """A certificate of 127.0.0.1 with its key, which vouches for itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(certificate.public_bytes(encoding) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
