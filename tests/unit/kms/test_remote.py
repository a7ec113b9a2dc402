"""A KMS elsewhere: used as one here, and given up when it is slow, gone or mad."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from lamina.errors import (
    InvalidParameterValueException,
    KMSAccessDeniedException,
    KMSDisabledException,
    KMSNotFoundException,
    ServiceException,
)
from lamina.kms import KeyUser, RemoteKms, Vault

from .conftest import World
from .served import Application, client, served

CONTEXT = {"a": "1"}
USER = KeyUser(account_id="000000000000", region="eu-west-1")
ARN = "arn:aws:kms:eu-west-1:000000000000:key/00000000-0000-4000-8000-000000000000"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def address(kms: World) -> Iterator[str]:
    with served(Application(kms.operations)) as there:
        yield there


async def test_keys_elsewhere_are_as_good_as_keys_here(kms: World, address: str) -> None:
    arn = await asyncio.to_thread(lambda: client(address).create_key()["KeyMetadata"]["Arn"])
    vault = Vault(kms.master, RemoteKms(address))
    sealed = await vault.seal(b"secret", arn, CONTEXT, USER)
    assert await vault.unseal(sealed, CONTEXT, USER) == b"secret"


async def test_its_refusals_are_those_of_lambda(address: str) -> None:
    kms = client(address)
    arn = await asyncio.to_thread(lambda: kms.create_key()["KeyMetadata"]["Arn"])
    remote = RemoteKms(address)
    key = await remote.data_key(arn, CONTEXT, USER)
    with pytest.raises(KMSAccessDeniedException, match=r"KMS Exception: InvalidCiphertextExceptionKMS Message: $"):
        await remote.unwrap(key.wrapped, arn, {}, USER)
    with pytest.raises(InvalidParameterValueException, match="does not exist"):
        await remote.data_key(ARN, CONTEXT, USER)
    with pytest.raises(KMSNotFoundException):
        await remote.unwrap(key.wrapped, ARN, CONTEXT, USER)
    await asyncio.to_thread(lambda: kms.disable_key(KeyId=arn))
    with pytest.raises(KMSDisabledException, match=f"KMS Message: {arn} is disabled"):
        await remote.unwrap(key.wrapped, arn, CONTEXT, USER)


async def test_an_arn_of_something_else_is_not_sent(address: str) -> None:
    with pytest.raises(InvalidParameterValueException, match="InvalidArnException"):
        await RemoteKms(address).data_key("arn:aws:s3:::bucket", CONTEXT, USER)


async def test_credentials_that_it_does_not_know(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(KMSAccessDeniedException, match="InvalidSignatureException"):
        await RemoteKms(address).data_key(ARN, CONTEXT, USER)


async def test_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        remote = RemoteKms(f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(ServiceException, match="because KMS did not answer"):
            await remote.data_key(ARN, CONTEXT, USER)
    assert "EndpointConnectionError" in caplog.text


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """The address of a server that does ``answer`` with every connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    connections: list[socket.socket] = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connections.append(connection)
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

    def talk(connection: socket.socket) -> None:
        with suppress(OSError):
            connection.recv(65_536)
            answer(connection)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in connections:
            connection.close()


def reply(status: str, body: bytes) -> Callable[[socket.socket], None]:
    head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    return lambda connection: connection.sendall(head.encode() + body)


@pytest.mark.parametrize(
    "answer",
    [
        reply("200 OK", b"<html>hello</html>"),
        reply("200 OK", b"{}"),
        reply("200 OK", b"[]"),
        reply("200 OK", b'{"Plaintext": "aGk=", "CiphertextBlob": "aGk=", "KeyId": "k"}'),
        reply("200 OK", b'{"Plaintext": 7}'),
        reply("403 Forbidden", b"<html>proxy</html>"),
        reply("404 Not Found", b""),
        reply("500 Oops", b'{"__type": "KMSInternalException"}'),
        reply("400 Bad Request", b'{"__type": "ThrottlingException", "message": "slow down"}'),
        lambda connection: connection.close(),
        lambda connection: connection.sendall(b"\0" * 1000),
    ],
)
async def test_an_answer_that_is_not_one_of_kms(answer: Callable[[socket.socket], None]) -> None:
    with answering(answer) as address:
        remote = RemoteKms(address, read_seconds=0.3)
        with pytest.raises(ServiceException, match="because KMS did not answer"):
            await remote.data_key(ARN, CONTEXT, USER)
        with pytest.raises(ServiceException, match="because KMS did not answer"):
            await remote.unwrap(b"blob", ARN, CONTEXT, USER)


async def test_a_kms_that_says_nothing_is_given_up() -> None:
    with answering(lambda _: time.sleep(30)) as address:
        remote = RemoteKms(address, read_seconds=0.2)
        began = time.monotonic()
        with pytest.raises(ServiceException):
            await remote.unwrap(b"blob", ARN, CONTEXT, USER)
        assert time.monotonic() - began < 5


def drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
    while True:
        connection.sendall(b" ")
        time.sleep(0.05)


async def test_an_answer_that_never_ends_holds_nobody_up() -> None:
    with answering(drip) as address:
        remote = RemoteKms(address, seconds=0.5)
        began = time.monotonic()
        asked = [remote.unwrap(b"blob", ARN, CONTEXT, USER) for _ in range(20)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(answer, ServiceException) for answer in answers)
        assert time.monotonic() - began < 5
        assert sum(thread.name == "kms" for thread in threading.enumerate()) <= 8


async def test_without_credentials_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, address: str
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(ServiceException):
        await RemoteKms(address).data_key(ARN, CONTEXT, USER)
    assert "NoCredentialsError" in caplog.text
