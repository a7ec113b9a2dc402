"""What is on the disk after crashes, races and collections."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from lamina.images import ImageLimits, Images, InvalidImage
from tests._registry import make_image
from tests.unit.images.hostile import Registry, fail

FETCH = """
import asyncio, sys
from pathlib import Path
from lamina.images import Images
async def main():
    images = Images(Path(sys.argv[1]))
    resolved = await images.resolve(sys.argv[2])
    print("ready", flush=True)
    await images.fetch(resolved)
asyncio.run(main())
"""


@pytest.fixture
def registry() -> Iterator[Registry]:
    files = {f"d{number % 20}/f{number}": os.urandom(500) for number in range(1200)}
    started = Registry(make_image([files, {"top": b"2"}, {"last": b"3"}]))
    yield started
    started.stop()


@asynccontextmanager
async def opened(root: Path) -> AsyncIterator[Images]:
    images = Images(root, grace_seconds=0)
    yield images
    await asyncio.to_thread(images.close)


async def test_an_image_survives_a_restart(tmp_path: Path, registry: Registry) -> None:
    async with opened(tmp_path) as images:
        fetched = await images.fetch(await images.resolve(registry.uri))
    source = f"{registry.host}/app@{fetched.digest}"
    asked = len(registry.seen)
    async with opened(tmp_path) as images:
        assert await images.image(fetched.digest, source) == fetched
    assert len(registry.seen) == asked


def no_record(root: Path, layer: str) -> None:
    (root / f"layer-records/{layer}.json").unlink()


def torn_record(root: Path, layer: str) -> None:
    (root / f"layer-records/{layer}.json").write_bytes(b'{"format"')


def no_folder(root: Path, layer: str) -> None:
    shutil.rmtree(root / "layers" / layer)


def torn_image(root: Path, layer: str) -> None:
    for path in (root / "images").iterdir():
        path.write_bytes(b"")


@pytest.mark.parametrize("damage", [no_record, torn_record, no_folder, torn_image])
async def test_what_is_damaged_is_fetched_again(
    tmp_path: Path, registry: Registry, damage: Callable[[Path, str], None]
) -> None:
    async with opened(tmp_path) as images:
        fetched = await images.fetch(await images.resolve(registry.uri))
    damage(tmp_path, fetched.layers[0].name)
    async with opened(tmp_path) as images:
        image = await images.image(fetched.digest, f"{registry.host}/app@{fetched.digest}")
        assert image == fetched
        assert len(list(image.layers[0].rglob("f*"))) == 1200


async def test_a_start_removes_what_nobody_owns(tmp_path: Path) -> None:
    for path in ("making/x/y", f"layers/{'0' * 64}/file", "images/.new", "layer-records/.new"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"")
    async with opened(tmp_path):
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
        assert list((tmp_path / "layers").iterdir()) == []


async def test_the_same_layer_twice_is_mounted_once(tmp_path: Path) -> None:
    same = {"a": b"1"}
    registry = Registry(make_image([same, {"b": b"2"}, same]))
    try:
        async with opened(tmp_path) as images:
            image = await images.fetch(await images.resolve(registry.uri))
            assert [sorted(path.name for path in layer.iterdir()) for layer in image.layers] == [["b"], ["a"]]
    finally:
        registry.stop()


async def test_nothing_is_mounted_below_an_opaque_top(tmp_path: Path) -> None:
    registry = Registry(make_image([{"a": b"1"}, {".wh..wh..opq": b"", "b": b"2"}, {"c": b"3"}]))
    try:
        async with opened(tmp_path) as images:
            image = await images.fetch(await images.resolve(registry.uri))
            assert [sorted(path.name for path in layer.iterdir()) for layer in image.layers] == [["b"], ["c"]]
    finally:
        registry.stop()


async def test_a_failed_fetch_is_no_image(tmp_path: Path, registry: Registry) -> None:
    async with opened(tmp_path) as images:
        resolved = await images.resolve(registry.uri)
        registry.answers[registry.blob(1)] = fail(404)
        with pytest.raises(Exception, match="does not exist"):
            await images.fetch(resolved)
        assert list((tmp_path / "images").iterdir()) == []
        registry.answers.clear()
        await images.fetch(resolved)
        assert len(list((tmp_path / "layers").iterdir())) == 3


async def test_collecting_takes_all_that_is_unused(tmp_path: Path, registry: Registry) -> None:
    async with opened(tmp_path) as images:
        fetched = await images.fetch(await images.resolve(registry.uri))
        assert images.collect({fetched.digest}) == []
        assert images.collect(set()) == [fetched.digest]
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
        assert list((tmp_path / "layers").iterdir()) == []


async def test_what_was_asked_for_lately_is_kept(tmp_path: Path, registry: Registry) -> None:
    images = Images(tmp_path, grace_seconds=600)
    fetched = await images.fetch(await images.resolve(registry.uri))
    assert images.collect(set()) == []
    assert all(layer.is_dir() for layer in fetched.layers)
    await asyncio.to_thread(images.close)


async def test_collecting_leaves_a_fetch_alone(tmp_path: Path, registry: Registry) -> None:
    async with opened(tmp_path) as images:
        resolved = await images.resolve(registry.uri)

        async def collect() -> None:
            while not fetching.done():
                await asyncio.to_thread(images.collect, {resolved.digest})

        fetching = asyncio.create_task(images.fetch(resolved))
        await collect()
        assert all(layer.is_dir() for layer in (await fetching).layers)


async def test_a_registry_that_hangs_holds_up_no_other_with_the_same_layers(tmp_path: Path, registry: Registry) -> None:
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hang(request: BaseHTTPRequestHandler) -> None:
        loop.call_soon_threadsafe(begun.set)
        hanging.ended.wait()
        request.close_connection = True

    hanging = Registry(registry.made)
    hanging.answers[hanging.blob()] = hang
    async with opened(tmp_path) as images:
        waiting = asyncio.create_task(images.fetch(await images.resolve(hanging.uri)))
        await begun.wait()
        image = await images.fetch(await images.resolve(registry.uri))
        assert not waiting.done()
        assert all(layer.is_dir() for layer in image.layers)
        hanging.answers.clear()
        hanging.ended.set()
        assert await waiting == image
        assert all(layer.is_dir() for layer in image.layers)
        assert list((tmp_path / "making").iterdir()) == []
    hanging.stop()


async def test_two_registries_at_once_make_one_layer(tmp_path: Path, registry: Registry) -> None:
    other = Registry(registry.made)
    try:
        async with opened(tmp_path) as images:
            resolved = [await images.resolve(each.uri) for each in (registry, other)]
            one, two = await asyncio.gather(*map(images.fetch, resolved))
            assert one == two
            assert list((tmp_path / "making").iterdir()) == []
    finally:
        other.stop()


async def test_a_source_is_of_its_digest(tmp_path: Path, registry: Registry) -> None:
    async with opened(tmp_path) as images:
        with pytest.raises(ValueError, match="cannot come from"):
            await images.image("sha256:" + "0" * 64, f"{registry.host}/app@{registry.made.digest}")


async def test_an_image_of_too_many_bytes(tmp_path: Path, registry: Registry) -> None:
    images = Images(tmp_path, limits=ImageLimits(unpacked=1_000_000))
    try:
        with pytest.raises(InvalidImage) as caught:
            await images.fetch(await images.resolve(registry.uri))
        assert "more than 1000000 bytes unpacked" in str(caught.value.__cause__)
        assert list((tmp_path / "making").iterdir()) == []
    finally:
        await asyncio.to_thread(images.close)


@pytest.mark.slow
@pytest.mark.parametrize("milliseconds", [0, 30, 80, 150, 250, 400])
async def test_nothing_is_half_there_after_a_kill(tmp_path: Path, registry: Registry, milliseconds: int) -> None:
    command = [sys.executable, "-c", FETCH, tmp_path, registry.uri]
    child = await asyncio.to_thread(subprocess.Popen, command, stdout=subprocess.PIPE)
    assert child.stdout is not None
    await asyncio.to_thread(child.stdout.readline)
    try:
        await asyncio.to_thread(child.wait, milliseconds / 1000)
    except subprocess.TimeoutExpired:
        child.kill()
    child.wait()
    child.stdout.close()
    async with opened(tmp_path) as images:
        assert list((tmp_path / "making").iterdir()) == []
        for layer in (tmp_path / "layers").iterdir():
            assert (tmp_path / f"layer-records/{layer.name}.json").is_file()
        image = await images.image(registry.made.digest, f"{registry.host}/app@{registry.made.digest}")
        assert len(list(image.layers[0].rglob("f*"))) == 1200


def test_an_idle_server_loads_no_http_client() -> None:
    code = "import sys, lamina.images; print([name for name in ('urllib3', 'http.client') if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
