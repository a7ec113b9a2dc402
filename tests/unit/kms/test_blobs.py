"""Packages that lie on the disk encrypted, each under the key of its owner."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from lamina.blobs import BlobDamaged, BlobMissing, Blobs
from lamina.errors import InvalidParameterValueException, KMSAccessDeniedException, KMSDisabledException
from lamina.kms import PACKAGE, BlockingKeys, KeyUser, SealedBlobs, sealed_name
from lamina.kms._stream import CHUNK_BYTES

from .conftest import ACCOUNT, OTHER_ACCOUNT, REGION, ROLE, ROOT, World

T = TypeVar("T")

CONTENT = b"some package" * 30_000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
USER = KeyUser(account_id=ACCOUNT, region=REGION, principal=ROLE, subject=PACKAGE)


class Store:
    """Sealed blobs, used from another thread than that of their loop."""

    def __init__(self, kms: World, root: Path) -> None:
        self.kms = kms
        self.root = root
        self.blobs = SealedBlobs(root, BlockingKeys(kms.keys, asyncio.get_running_loop()))
        as_blobs: Blobs = self.blobs
        assert as_blobs

    async def put(self, key_arn: str, content: bytes | Path = CONTENT, user: KeyUser = USER) -> str:
        """Seal content; its name."""

        def work() -> str:
            data = content.read_bytes() if isinstance(content, Path) else content
            with self.blobs.sealing(key_arn, user) as name_of:
                name = name_of(hashlib.sha256(data).hexdigest())
                self.blobs.put(name, content)
                return name

        return await self.run(work)

    async def read(self, name: str) -> bytes:
        return await self.run(lambda: self.blobs.read(name))

    async def run(self, work: Callable[[], T]) -> T:
        return await asyncio.to_thread(work)


@pytest.fixture
async def store(kms: World, tmp_path: Path) -> Store:
    return Store(kms, tmp_path / "sealed")


async def test_what_was_put_can_be_read_and_is_not_on_the_disk(store: Store) -> None:
    arn = await store.kms.key()
    name = await store.put(arn)
    assert name == sealed_name(DIGEST, arn, ACCOUNT)
    assert await store.read(name) == CONTENT
    on_disk = (store.root / name).read_bytes()
    assert b"some package" not in on_disk
    assert len(on_disk) < len(CONTENT) + 2000
    assert store.blobs.size(name) == len(CONTENT)
    assert store.blobs.key_of(name) == arn
    assert store.blobs.names() == [name]
    assert stat.S_IMODE((store.root / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(store.root.stat().st_mode) == 0o700


async def test_a_file_can_be_put_and_an_empty_one_too(store: Store, tmp_path: Path) -> None:
    arn = await store.kms.key()
    for content in (CONTENT, b""):
        source = tmp_path / "upload"
        source.write_bytes(content)
        assert await store.read(await store.put(arn, source)) == content


async def test_a_part_can_be_read(store: Store) -> None:
    name = await store.put(await store.kms.key())

    def work() -> bytes:
        with store.blobs.open(name) as stream:
            stream.seek(-12, os.SEEK_END)
            return stream.read()

    assert await store.run(work) == b"some package"


async def test_a_view_has_all_of_it(store: Store) -> None:
    name = await store.put(await store.kms.key())

    def work() -> bytes:
        with store.blobs.view(name) as content:
            return bytes(content)

    assert await store.run(work) == CONTENT


async def test_keys_and_accounts_share_nothing(store: Store) -> None:
    text = '{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}}'
    first, second = await store.kms.key(Policy=text), await store.kms.key()
    other = KeyUser(account_id=OTHER_ACCOUNT, region=REGION, subject=PACKAGE)
    names = {await store.put(first), await store.put(second), await store.put(first, user=other)}
    assert len(names) == 3
    assert DIGEST not in names


async def test_an_alias_and_its_key_share(store: Store) -> None:
    arn = await store.kms.key()
    await store.kms("CreateAlias", AliasName="alias/a", TargetKeyId=arn)
    assert await store.put(f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/a") == await store.put(arn)


async def test_storing_again_writes_nothing(store: Store) -> None:
    arn = await store.kms.key()
    name = await store.put(arn)
    before = (store.root / name).read_bytes()
    assert await store.put(arn) == name
    assert (store.root / name).read_bytes() == before


async def test_what_was_cut_off_is_noticed_and_stored_again(store: Store) -> None:
    arn = await store.kms.key()
    name = await store.put(arn)
    os.truncate(store.root / name, CHUNK_BYTES)
    with pytest.raises(BlobDamaged):
        await store.read(name)
    await store.put(arn)
    assert await store.read(name) == CONTENT


async def test_a_name_is_made_for_its_content(store: Store) -> None:
    arn = await store.kms.key()

    def work() -> str:
        with store.blobs.sealing(arn, USER) as name_of:
            name = name_of(DIGEST)
            store.blobs.put(name, b"something else")
            return name

    name = await store.run(work)
    with pytest.raises(BlobDamaged, match="is not the content"):
        await store.read(name)


async def test_a_blob_under_another_name_is_damaged(store: Store) -> None:
    arn = await store.kms.key()
    first, second = await store.put(arn), await store.put(arn, b"other")
    (store.root / first).replace(store.root / second)
    with pytest.raises(BlobDamaged, match="another under this name"):
        await store.read(second)


async def test_every_byte_counts(store: Store) -> None:
    name = await store.put(await store.kms.key(), b"content")
    path = store.root / name
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[place] ^= 1
        path.write_bytes(changed)
        with pytest.raises((BlobDamaged, KMSAccessDeniedException)):
            await store.read(name)


async def test_nothing_can_be_put_without_a_key(store: Store) -> None:
    with pytest.raises(LookupError):
        store.blobs.put("0" * 64, CONTENT)
    arn = await store.kms.key()
    name = await store.put(arn)
    store.blobs.delete(name)
    with pytest.raises(LookupError):
        store.blobs.put(name, CONTENT)


async def test_a_disabled_key_stops_storing_and_reading(store: Store) -> None:
    arn = await store.kms.key()
    name = await store.put(arn)
    await store.kms("DisableKey", KeyId=arn)
    with pytest.raises(KMSDisabledException, match="decrypt the deployment package because the KMS key is disabled"):
        await store.read(name)
    with pytest.raises(KMSDisabledException, match="configure access to your deployment package"):
        await store.put(arn, b"other")
    assert store.blobs.names() == [name]


async def test_an_invalid_key_stores_nothing(store: Store) -> None:
    with pytest.raises(InvalidParameterValueException):
        await store.put(f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/none")
    assert list(store.root.iterdir()) == []


async def test_unlocking_asks_for_the_role_and_reading_then_asks_nobody(store: Store) -> None:
    allow = '{"Effect": "Allow", "Principal": {"AWS": "%s"}, "Action": %s, "Resource": "*"}'
    root = allow % (ROOT, '["kms:PutKeyPolicy", "kms:DisableKey"]')
    text = f'{{"Statement": [{root}, {allow % (ROLE, chr(34) + "kms:*" + chr(34))}]}}'
    arn = await store.kms.key(Policy=text)
    name = await store.put(arn)
    with pytest.raises(KMSAccessDeniedException):
        await store.read(name)
    entered, disabled = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def work() -> bytes:
        with store.blobs.unlocked(name, USER):
            loop.call_soon_threadsafe(entered.set)
            asyncio.run_coroutine_threadsafe(disabled.wait(), loop).result(10)
            return store.blobs.read(name)

    reading = asyncio.create_task(store.run(work))
    await entered.wait()
    await store.kms("DisableKey", KeyId=arn)
    disabled.set()
    assert await reading == CONTENT
    with pytest.raises(KMSDisabledException):
        await store.run(lambda: store.blobs.unlocked(name, USER).__enter__())


async def test_another_account_unlocks_nothing(store: Store) -> None:
    name = await store.put(await store.kms.key())
    other = KeyUser(account_id=OTHER_ACCOUNT, region=REGION)
    with pytest.raises(BlobMissing):
        await store.run(lambda: store.blobs.unlocked(name, other).__enter__())


async def test_what_is_not_there(store: Store) -> None:
    name = "0" * 64
    assert not store.blobs.has(name)
    assert not store.blobs.delete(name)
    for question in (store.blobs.read, store.blobs.open, store.blobs.size, store.blobs.key_of):
        with pytest.raises(BlobMissing):
            question(name)
    with pytest.raises(ValueError, match="not the name of a blob"):
        store.blobs.has("../" + name)


async def test_what_a_crash_left_is_removed_at_start(store: Store) -> None:
    arn = await store.kms.key()
    name = await store.put(arn)
    (store.root / ".incoming-1").write_bytes(b"half")
    again = Store(store.kms, store.root)
    assert [path.name for path in store.root.iterdir()] == [name]
    assert await again.read(name) == CONTENT


async def test_a_put_that_fails_leaves_nothing(store: Store, tmp_path: Path) -> None:
    arn = await store.kms.key()

    def work() -> None:
        with store.blobs.sealing(arn, USER) as name_of:
            store.blobs.put(name_of(DIGEST), tmp_path)

    with pytest.raises(IsADirectoryError):
        await store.run(work)
    assert list(store.root.iterdir()) == []


async def test_a_kms_that_does_not_answer_is_given_up(tmp_path: Path) -> None:
    class Silent:
        async def data_key(self, *_: object) -> object:
            return await asyncio.Event().wait()

        unwrap = data_key

    blobs = SealedBlobs(tmp_path, BlockingKeys(Silent(), asyncio.get_running_loop(), seconds=0.05))  # type: ignore[arg-type]

    def work() -> None:
        with blobs.sealing("arn:aws:kms:x:1:key/k", USER) as name_of:
            name_of(DIGEST)

    with pytest.raises(Exception, match="because KMS did not answer"):
        await asyncio.to_thread(work)


async def test_the_event_loop_does_not_wait_for_itself(store: Store) -> None:
    name = await store.put(await store.kms.key())
    with pytest.raises(RuntimeError, match="would wait for itself"):
        store.blobs.read(name)
