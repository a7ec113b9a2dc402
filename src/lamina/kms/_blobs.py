"""Packages at rest that are encrypted under a KMS key of the function's owner (SourceKMSKeyArn)."""

from __future__ import annotations

import hashlib
import io
import mmap
import os
import secrets
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from lamina.blobs import BlobDamaged, BlobMissing, is_name
from lamina.disk import flush_folder
from lamina.kms._blocking import BlockingKeys
from lamina.kms._cipher import SealBroken
from lamina.kms._identifiers import region_of
from lamina.kms._interface import PACKAGE, DataKey, KeyUser
from lamina.kms._sealed import STREAM, Head, read_head
from lamina.kms._stream import CHUNK_BYTES, Content, StreamReader, plain_size, seal_stream

_T = TypeVar("_T")

_TEMPORARY = ".incoming-"
_OWNER = struct.Struct(">12s32s")
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class _Front:
    """What stands before the content: the account, the SHA-256 of the content in hex, and the head with the key."""

    account_id: str
    digest: str
    head: Head

    @property
    def name(self) -> str:
        return sealed_name(self.digest, self.head.key_arn, self.account_id)

    @property
    def context(self) -> dict[str, str]:
        return _context(self.account_id, self.digest)

    @property
    def bound(self) -> bytes:
        return self.head.bound(self.context)

    @property
    def packed(self) -> bytes:
        return _OWNER.pack(self.account_id.encode(), bytes.fromhex(self.digest)) + self.head.packed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sealing:
    front: _Front
    key: DataKey


def sealed_name(digest: str, key_arn: str, account_id: str) -> str:
    """The name of a sealed blob. ``digest`` is the hex SHA-256 of its content, ``key_arn`` a key's, not an alias's."""
    return hashlib.sha256(f"lamina sealed package\n{digest}\n{key_arn}\n{account_id}".encode()).hexdigest()


class SealedBlobs:
    """``lamina.blobs.Blobs`` whose contents are sealed, each under a data key of its own.

    A blob's name is a hash over the SHA-256 of its content, its KMS key and its account: accounts and keys share
    nothing. ``put`` works inside ``sealing`` only. ``open`` and ``read`` ask KMS on behalf of the account, and inside
    ``unlocked`` not again; they raise what ``KeyService.unwrap`` does. All methods block, and none may be called in the
    thread of the event loop that ``keys`` asks. One process owns ``root``.
    """

    def __init__(self, root: Path, keys: BlockingKeys) -> None:
        self._root = root
        self._keys = keys
        self._lock = threading.Lock()
        self._sealings: dict[str, list[_Sealing]] = {}
        self._unlocked: dict[str, list[bytes]] = {}
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for leftover in root.glob(f"{_TEMPORARY}*"):
            leftover.unlink()

    @contextmanager
    def sealing(self, key_arn: str, user: KeyUser) -> Iterator[Callable[[str], str]]:
        """For the time of a block, what makes the name of new content of its hex SHA-256, and lets ``put`` store it.

        The name is made after KMS was asked for a data key, so a refusal comes before anything is stored: see
        ``KeyService.data_key``.
        """
        with ExitStack() as stack:

            def name_of(digest: str) -> str:
                key = self._keys.data_key(key_arn, _context(user.account_id, digest), user)
                head = Head(kind=STREAM, key_arn=key.key_arn, wrapped=key.wrapped)
                front = _Front(account_id=user.account_id, digest=digest, head=head)
                stack.enter_context(self._held(self._sealings, front.name, _Sealing(front=front, key=key)))
                return front.name

            yield name_of

    @contextmanager
    def unlocked(self, name: str, user: KeyUser) -> Iterator[None]:
        """Let KMS unwrap the blob's data key for a user, and keep it for the block.

        Every start of an environment passes here, whether its tree is there already or not: so a key that is disabled
        or denied stops the next one. Raises ``BlobMissing``, also for a blob of another account.
        """
        with self._file(name) as file:
            front = _read_front(name, file)
        if front.account_id != user.account_id:
            raise BlobMissing(name)
        with self._held(self._unlocked, name, self._unwrap(front, user)):
            yield

    def put(self, name: str, content: Content) -> bool:
        """Seal and store ``content`` durably, in constant memory. Raises LookupError outside ``sealing``."""
        with self._lock:
            sealing = self._sealings[_checked(name)][-1]
        size = content.stat().st_size if isinstance(content, Path) else memoryview(content).nbytes
        if self.has(name) and self._size(name) == size:
            return False
        temporary = self._root / f"{_TEMPORARY}{secrets.token_hex(8)}"
        try:
            _write_durably(temporary, sealing, content)
            temporary.replace(self._root / name)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        flush_folder(self._root)
        return True

    def has(self, name: str) -> bool:
        """Whether the blob is there."""
        return (self._root / _checked(name)).is_file()

    def open(self, name: str) -> BinaryIO:
        """The content as a stream that can seek; each part is checked when it is read. Raises ``BlobMissing``."""
        file = self._file(name)
        try:
            front = _read_front(name, file)
            reader = StreamReader(self._data_key(name, front), front.bound, file)
        except BaseException:
            file.close()
            raise
        return io.BufferedReader(reader, CHUNK_BYTES)

    def read(self, name: str) -> bytes:
        """All of the content, checked. Raises ``BlobMissing`` and ``BlobDamaged``."""
        with self.view(name) as content:
            return bytes(content)

    @contextmanager
    def view(self, name: str) -> Iterator[memoryview]:
        """All of the content for the time of a block, checked; it is in memory once, and on no disk.

        Raises ``BlobMissing`` and ``BlobDamaged``.
        """
        with self._file(name) as file:
            digest = _read_front(name, file).digest
        with self.open(name) as stream:
            size = stream.seek(0, io.SEEK_END)
            stream.seek(0)
            with mmap.mmap(-1, max(size, 1)) as memory, memoryview(memory)[:size] as content:
                _fill(content, stream)
                if hashlib.sha256(content).hexdigest() != digest:
                    raise BlobDamaged(f"blob {name} is not the content that it was named after")
                yield content

    def size(self, name: str) -> int:
        """The length of the content. Raises ``BlobMissing`` and ``BlobDamaged``."""
        size = self._size(name)
        if size is None:
            raise BlobDamaged(f"blob {name} was cut off")
        return size

    def delete(self, name: str) -> bool:
        """Remove the file; false when there was none."""
        try:
            (self._root / _checked(name)).unlink()
        except FileNotFoundError:
            return False
        return True

    def names(self) -> list[str]:
        """The names of all blobs, sorted."""
        return sorted(path.name for path in self._root.iterdir() if is_name(path.name))

    def key_of(self, name: str) -> str:
        """The ARN of the KMS key that the blob is sealed under. Raises ``BlobMissing`` and ``BlobDamaged``."""
        with self._file(name) as file:
            return _read_front(name, file).head.key_arn

    def _data_key(self, name: str, front: _Front) -> bytes:
        with self._lock:
            held = self._unlocked.get(name)
            if held:
                return held[-1]
        region = region_of(front.head.key_arn)
        return self._unwrap(front, KeyUser(account_id=front.account_id, region=region, subject=PACKAGE))

    def _unwrap(self, front: _Front, user: KeyUser) -> bytes:
        return self._keys.unwrap(front.head.wrapped, front.head.key_arn, front.context, user)

    def _file(self, name: str) -> BinaryIO:
        try:
            return (self._root / _checked(name)).open("rb")
        except FileNotFoundError:
            raise BlobMissing(name) from None

    def _size(self, name: str) -> int | None:
        with self._file(name) as file:
            try:
                _read_front(name, file)
                start = file.tell()
                return plain_size(file.seek(0, io.SEEK_END) - start)
            except SealBroken:
                return None

    @contextmanager
    def _held(self, table: dict[str, list[_T]], name: str, value: _T) -> Iterator[None]:
        with self._lock:
            table.setdefault(name, []).append(value)
        try:
            yield
        finally:
            with self._lock:
                table[name].remove(value)
                if not table[name]:
                    del table[name]


def _read_front(name: str, file: BinaryIO) -> _Front:
    owner = file.read(_OWNER.size)
    if len(owner) < _OWNER.size:
        raise SealBroken(f"blob {name} is damaged: it has only {len(owner)} bytes")
    account_id, digest = _OWNER.unpack(owner)
    front = _Front(account_id=account_id.decode("latin-1"), digest=digest.hex(), head=read_head(file))
    if front.head.kind != STREAM or front.name != name:
        raise SealBroken(f"blob {name} is damaged, or another under this name")
    return front


def _fill(content: memoryview, stream: BinaryIO) -> None:
    place = 0
    while piece := stream.read(CHUNK_BYTES):
        content[place : place + len(piece)] = piece
        place += len(piece)


def _context(account_id: str, digest: str) -> dict[str, str]:
    return {"lamina:AccountId": account_id, "lamina:CodeSha256": digest}


def _checked(name: str) -> str:
    if not is_name(name):
        raise ValueError(f"not the name of a blob: {name!r}")
    return name


def _write_durably(path: Path, sealing: _Sealing, content: Content) -> None:
    descriptor = os.open(path, _NEW_FILE, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(sealing.front.packed)
        for piece in seal_stream(sealing.key.plaintext, sealing.front.bound, content):
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
