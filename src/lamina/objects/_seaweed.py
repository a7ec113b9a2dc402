"""SeaweedFS as the embedded store: its files, its ports and its command line.

``weed mini`` is many servers in one process, and they trust whoever reaches them. So every one is told to listen on
loopback, to take only calls that are signed with secrets from its own folder, and to speak HTTP only where S3 needs it.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lamina.objects._interface import SubResources

_HOST = "127.0.0.1"
_ROLES = ("master", "volume", "filer", "s3", "client", "admin", "worker", "msg_broker")
_SIGNED = ("signing", "signing.read", "filer_signing", "filer_signing.read")
# The worker looks for the admin server's gRPC so far above its HTTP, whatever its flags say.
_ADMIN_OFFSET = 10_000
_HIGHEST_PORT = 65_535
_KEYS = "keys.json"
_DELETABLE = frozenset({b"cors", b"encryption", b"lifecycle", b"ownershipControls", b"policy", b"tagging"})
# Its router knows no others: DeleteBucketWebsite would delete the bucket, UpdateObjectEncryption write an object.
SUB_RESOURCES = SubResources(
    of_buckets={
        "PUT": _DELETABLE | {b"acl", b"object-lock", b"versioning"},
        "DELETE": _DELETABLE,
    },
    not_of_objects=frozenset({b"annotation", b"encryption"}),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The TCP ports of one store, all on loopback."""

    master: int
    master_grpc: int
    volume: int
    volume_grpc: int
    filer: int
    filer_grpc: int
    s3: int
    s3_grpc: int
    admin: int


def program() -> Path | None:
    """The command ``weed`` beside the interpreter, where the extra ``s3`` installs it."""
    found = Path(sys.executable).with_name("weed")
    return found if os.access(found, os.X_OK) else None


def free_ports() -> Ports:
    """Ports that nobody uses at the moment."""
    with ExitStack() as bound:

        def bind(port: int) -> int:
            listener = bound.enter_context(socket.socket())
            listener.bind((_HOST, port))
            return int(listener.getsockname()[1])

        admin = next(_admin_ports(bind))
        names = (name for name in Ports.__slots__ if name != "admin")
        return Ports(admin=admin, **{name: bind(0) for name in names})


def _admin_ports(bind: object) -> Iterator[int]:
    assert callable(bind)
    while True:
        port = bind(0)
        above = port + _ADMIN_OFFSET
        port = port if above <= _HIGHEST_PORT else port - 2 * _ADMIN_OFFSET
        try:
            if above > _HIGHEST_PORT:
                bind(port)
            bind(port + _ADMIN_OFFSET)
        except OSError:
            continue
        yield port


def command(weed: Path, folder: Path, ports: Ports) -> list[str]:
    """The command line, to be run in ``folder``."""
    flags = {
        "dir": folder / "data",
        "ip": _HOST,
        "ip.bind": _HOST,
        "disableHttp": "true",
        "master.telemetry": "false",
        "master.port": ports.master,
        "master.port.grpc": ports.master_grpc,
        "volume.port": ports.volume,
        "volume.port.grpc": ports.volume_grpc,
        "volume.preStopSeconds": 0,
        "filer.port": ports.filer,
        "filer.port.grpc": ports.filer_grpc,
        # A relative name, for the path of a socket is short.
        "filer.localSocket": "filer.sock",
        "s3.port": ports.s3,
        "s3.port.grpc": ports.s3_grpc,
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.localSocket": "s3.sock",
        "s3.config": folder / "identities.json",
        "s3.iam": "false",
        "s3.autoCreateBucket": "false",
        "s3.allowDeleteBucketNotEmpty": "false",
        "admin.port": ports.admin,
        "admin.ui": "false",
        "webdav": "false",
    }
    logging = ("-logdir=logs", "-stderrthreshold=FATAL", "-alsologtostderr=false")
    limits = ("-log_max_size_mb=4", "-log_max_files=2")
    return [
        str(weed),
        f"-config_dir={folder}",
        *logging,
        *limits,
        "mini",
        *(f"-{name}={value}" for name, value in flags.items()),
    ]


def sockets(ports: Ports) -> list[str]:
    """Where it puts sockets beside its ports, whatever its flags say; one that is killed leaves them there."""
    above = {
        "master": ports.master_grpc,
        "volume": ports.volume_grpc,
        "filer": ports.filer_grpc,
        "s3": ports.s3_grpc,
        "admin": ports.admin + _ADMIN_OFFSET,
    }
    return [f"/tmp/seaweedfs-{name}-grpc-{port}.sock" for name, port in above.items()]  # noqa: S108


def prepare(folder: Path) -> tuple[str, str]:
    """Make the folder and what the store reads from it; the pair of keys that S3's requests are signed with.

    The keys are kept; all other secrets are new at every start.
    """
    for each in (folder, folder / "data", folder / "logs"):
        each.mkdir(mode=0o700, parents=True, exist_ok=True)
    for leftover in (folder / "data").glob("m[0-9]*"):
        # What the master notes under the number of its port; it learns the same from the volumes.
        shutil.rmtree(leftover, ignore_errors=True)
    keys = _keys(folder / _KEYS)
    identity = {
        "name": "lamina",
        "credentials": [{"accessKey": keys[0], "secretKey": keys[1]}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    _write(folder / "identities.json", json.dumps({"identities": [identity]}).encode())
    certificate, key = _certificate()
    _write(folder / "certificate.pem", certificate)
    _write(folder / "key.pem", key)
    _write(folder / "security.toml", _security(folder).encode())
    return keys


def _keys(path: Path) -> tuple[str, str]:
    try:
        kept = json.loads(path.read_bytes())
        return kept["access_key_id"], kept["secret_access_key"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        keys = f"LAMINA{secrets.token_hex(7).upper()}", secrets.token_urlsafe(30)
        _write(path, json.dumps({"access_key_id": keys[0], "secret_access_key": keys[1]}).encode())
        return keys


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _security(folder: Path) -> str:
    certificate, key = json.dumps(str(folder / "certificate.pem")), json.dumps(str(folder / "key.pem"))
    lines = ["[grpc]", f"ca = {certificate}"]
    for role in _ROLES:
        lines += [f"[grpc.{role}]", f"cert = {certificate}", f"key = {key}"]
    for what in _SIGNED:
        lines += [f"[jwt.{what}]", f'key = "{secrets.token_hex(32)}"', "expires_after_seconds = 60"]
    return "\n".join(lines) + "\n"


def _certificate() -> tuple[bytes, bytes]:
    """A certificate that is its own authority, and its key: who has them is one of the store's servers."""
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "lamina")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address(_HOST))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM), private
