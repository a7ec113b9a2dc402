"""One folder for each image, where layers cannot be stacked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.images import Images
from lamina.images._merged import MergedTrees
from tests._registry import make_image
from tests.unit.images.hostile import Registry

DIGEST = "sha256:" + "1" * 64


@pytest.fixture
def registry() -> Iterator[Registry]:
    started = Registry(make_image([{"etc/a": b"lower", "etc/b": b"b"}, {"etc/a": b"upper", "etc/.wh.b": b""}]))
    yield started
    started.stop()


async def test_an_image_is_one_folder(tmp_path: Path, registry: Registry) -> None:
    images = Images(tmp_path, grace_seconds=0, merged=True)
    fetched = await images.fetch(await images.resolve(registry.uri))
    (tree,) = fetched.layers
    assert {path.name: path.read_bytes() for path in (tree / "etc").iterdir()} == {"a": b"upper"}
    again = await images.image(fetched.digest, registry.uri)
    assert (again.layers, (again.layers[0] / "etc/a").stat().st_ino) == ((tree,), (tree / "etc/a").stat().st_ino)
    assert await asyncio.to_thread(images.collect, set()) == [fetched.digest]
    assert not tree.exists()
    await asyncio.to_thread(images.close)


def test_what_a_crash_left_half_made_is_made_anew(tmp_path: Path) -> None:
    layer = tmp_path / "layer"
    layer.mkdir()
    (layer / "file").write_text("content")
    half = tmp_path / "merged/making" / ("1" * 64)
    half.mkdir(parents=True)
    trees = MergedTrees(tmp_path / "merged")
    assert not half.exists()
    assert (trees.of(DIGEST, [layer]) / "file").read_text() == "content"


def test_a_merge_that_fails_leaves_nothing(tmp_path: Path) -> None:
    trees = MergedTrees(tmp_path / "merged")
    with pytest.raises(OSError, match="missing"):
        trees.of(DIGEST, [tmp_path / "missing"])
    assert [path.name for path in (tmp_path / "merged").rglob("*")] == ["making"]


def test_only_the_others_are_collected(tmp_path: Path) -> None:
    trees = MergedTrees(tmp_path / "merged")
    kept, gone = trees.of(DIGEST, []), trees.of(DIGEST.replace("1", "2"), [])
    trees.collect({DIGEST})
    assert (kept.exists(), gone.exists()) == (True, False)
