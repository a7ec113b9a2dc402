"""The merged tree is what overlayfs shows of the same layers."""

from __future__ import annotations

import os
import random
import subprocess
import tarfile
from pathlib import Path

import pytest

from lamina.images import merge
from tests.unit.images.tars import tar, unpack_all

FILE, LINK, FOLDER = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE
_MOUNT = [
    "unshare",
    "-m",
    "sh",
    "-c",
    'mount -t overlay o -o "$1" "$2" && cd "$2" && find . -printf "%P %y %l\\n"',
    "sh",
]
_AS_USER = ["unshare", "-Urm", *_MOUNT[2:]]


def shown(tree: Path) -> list[str]:
    """What find(1) says of a tree."""
    found = subprocess.run(
        ["find", ".", "-printf", "%P %y %l\\n"], cwd=tree, capture_output=True, check=True, text=True
    )
    return sorted(found.stdout.splitlines())


def mounted(layers: list[Path], at: Path) -> list[str]:
    """What overlayfs shows of layers, in a mount namespace of its own."""
    at.mkdir()
    options = "ro,userxattr,lowerdir=" + ":".join(str(layer) for layer in reversed(layers))
    command = _MOUNT if os.geteuid() == 0 else _AS_USER
    found = subprocess.run([*command, options, str(at)], capture_output=True, text=True)
    if found.stderr.startswith(("mount:", "unshare:")):
        pytest.skip(f"overlayfs cannot be mounted here: {found.stderr.strip()}")
    assert found.returncode == 0, found.stderr
    return sorted(found.stdout.splitlines())


@pytest.mark.parametrize("seed", range(12))
def test_merge_shows_what_overlayfs_shows(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    layers = []
    for number in range(4):
        layers.append(tmp_path / f"layer{number}")
        unpack_all(tar(*(random_member(dice) for _ in range(25))), layers[-1])
    merge(layers, tmp_path / "merged")
    assert shown(tmp_path / "merged") == mounted(layers, tmp_path / "mount")


def random_member(dice: random.Random) -> tuple[str, bytes, str | bytes | None]:
    """Folders have names of their own, so no file stands where a folder is needed."""
    folder = "/".join(dice.choice(["x", "y"]) for _ in range(dice.randrange(3)))
    path = f"{folder}/" if folder else ""
    kind = dice.randrange(6)
    if kind == 0:
        return f"{path}.wh.{dice.choice('abxy')}", FILE, b""
    if kind == 1 and folder:
        return f"{path}.wh..wh..opq", FILE, b""
    if kind == 2:
        return f"{path}{dice.choice('ab')}", LINK, dice.choice(["a", "/b", "../x"])
    if kind == 3:
        return f"{path}{dice.choice('xy')}", FOLDER, None
    return f"{path}{dice.choice('abc')}", FILE, b"content"


def test_merge_links_and_leaves_layers_alone(tmp_path: Path) -> None:
    unpack_all(tar(("d/a", FILE, b"1"), ("l", LINK, "/etc")), tmp_path / "1")
    unpack_all(tar(("l/b", FILE, b"2"), (".wh.d", FILE, b"")), tmp_path / "2")
    merge([tmp_path / "1", tmp_path / "2"], tmp_path / "merged")
    assert shown(tmp_path / "merged") == [" d ", "l d ", "l/b f "]
    assert (tmp_path / "merged/l/b").samefile(tmp_path / "2/l/b")
    assert (tmp_path / "1/d/a").read_bytes() == b"1"


def test_a_merge_that_fails_leaves_nothing(tmp_path: Path) -> None:
    unpack_all(tar(("a", FILE, b"1")), tmp_path / "1")
    with pytest.raises(FileNotFoundError):
        merge([tmp_path / "1", tmp_path / "missing"], tmp_path / "merged")
    assert not (tmp_path / "merged").exists()
