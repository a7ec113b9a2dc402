"""What a hostile image tries: its layers are a stranger's files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from lamina.sandbox import SandboxSpec, native_architecture
from tests._image_trees import CROSS_COMPILER, compiled, opened

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make such files")
ATTACKS = """
#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
static void attempt(const char *name, long result) { printf("%s %d\\n", name, result < 0 ? errno : 0); }
int main(void) {
    attempt("mount", syscall(SYS_mount, "none", "/tmp", "tmpfs", 0L, 0L));
    attempt("unshare", syscall(SYS_unshare, 0x10000000L));
    attempt("setuid", setuid(0));
    attempt("register", -(access("/proc/sys/fs/binfmt_misc/register", F_OK) == 0));
    return 0;
}
"""


@pytest.fixture
def image(prison: Any, tmp_path: Path) -> Any:
    """Adds a layer of the test's own to the prison's."""
    if not prison.image:
        pytest.skip("of images")
    folder = tmp_path / "hostile"
    folder.mkdir()
    tmp_path.chmod(0o755)
    prison.layers = (*prison.layers, folder)
    return prison


@pytest.fixture
def folder(image: Any) -> Path:
    last: Path = image.layers[-1]
    return last


@as_root
async def test_a_device_in_a_layer_is_dead(image: Any, folder: Path) -> None:
    os.mknod(folder / "memory", 0o020666, os.makedev(1, 1))
    (folder / "memory").chmod(0o666)
    assert await image.run("attempt(lambda: open('/memory', 'rb'))") == ["EACCES"]


@as_root
async def test_a_setuid_program_in_a_layer_gives_nothing(image: Any, folder: Path) -> None:
    shutil.copy("/usr/bin/id", folder / "rootly")
    (folder / "rootly").chmod(0o4755)
    lines = await image.run(
        "import subprocess; print(subprocess.check_output(['/rootly', '-u']) == str(os.getuid()).encode() + b'\\n')"
    )
    assert lines == ["True"]


async def test_links_lead_to_the_image_only(image: Any, folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (folder / "absolute").symlink_to(secret)
    (folder / "relative").symlink_to("../" * 20 + str(secret).lstrip("/"))
    for name in ("absolute", "relative"):
        assert await image.run(f"attempt(lambda: open('/{name}'))") == ["ENOENT"]


async def test_a_link_in_the_place_of_a_mount_point_moves_nothing(image: Any, folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o777)
    for name in ("tmp", "proc", "dev", "etc"):
        (folder / name).symlink_to(outside)
    lines = await image.run(
        "open('/tmp/file', 'w'); print([os.path.islink(p) for p in ('/tmp', '/proc', '/dev', '/etc')])"
    )
    assert lines == ["[False, False, False, False]"]
    assert list(outside.iterdir()) == []


async def test_marks_that_redirect_are_not_followed(image: Any, folder: Path) -> None:
    (folder / "stolen").mkdir()
    os.setxattr(folder / "stolen", "user.overlay.redirect", b"/etc")
    opened(folder)
    assert await image.run("attempt(lambda: os.listdir('/stolen'))") == ["EPERM"]


async def test_the_layers_cannot_be_changed_even_where_their_modes_allow_it(image: Any, folder: Path) -> None:
    (folder / "open").mkdir()
    (folder / "open/file").write_text("original")
    (folder / "open").chmod(0o777)
    (folder / "open/file").chmod(0o666)
    lines = await image.run("""
        attempt(lambda: open("/open/file", "a"))
        attempt(lambda: open("/open/new", "w"))
        attempt(lambda: os.unlink("/open/file"))
        attempt(lambda: os.chmod("/open/file", 0o777))
        attempt(lambda: os.setxattr("/open", "user.overlay.opaque", b"y"))
    """)
    assert lines == ["EROFS"] * 5
    assert (folder / "open/file").read_text() == "original"


async def test_an_emulated_program_has_no_more_rights(image: Any, folder: Path) -> None:
    foreign = "arm64" if native_architecture() == "x86_64" else "x86_64"
    lacking = image.launcher.report.lack(foreign)
    if lacking or foreign != "arm64":
        pytest.skip(lacking or "no cross compiler for x86_64 is looked for")
    compiled(ATTACKS, folder / "attacks", CROSS_COMPILER)
    spec = SandboxSpec(argv=("/attacks",), environment={}, root=image.layers, working_directory="/",
                       architecture=foreign)  # fmt: skip
    lines, ended = await image.end(await image.launcher.start(spec))
    refused = dict(line.split() for line in lines)
    assert refused["register"] == "0"
    # An emulator need not know a call at all: then it answers ENOSYS itself.
    assert {refused["mount"], refused["unshare"]} <= {"1", "38"}
    assert refused["setuid"] in {"1", "22"}
    assert ended.status == 0
