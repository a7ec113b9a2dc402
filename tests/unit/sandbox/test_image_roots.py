"""Sandboxes whose root file system is an image's."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamina.sandbox import Bind, Exit, Limits, ProgramUnavailable, SandboxSpec, SandboxUnavailable
from lamina.sandbox._image import ImageRoots, _with_user
from tests._image_trees import PYTHON, opened, python_layer, system_layer

Layer = Callable[..., Path]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("image")
    for parent in (folder, folder.parent):
        parent.chmod(0o755)
    return system_layer(folder / "system"), python_layer(folder / "python")


@pytest.fixture
def layer(tmp_path: Path) -> Layer:
    """Makes a layer of texts and marks: None takes a path away."""

    def make(name: str, files: dict[str, str | None]) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for path, text in files.items():
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                os.mknod(place, 0o020000, os.makedev(0, 0))
            else:
                place.write_text(text)
        return opened(folder)

    return make


class Image:
    """Runs Python in sandboxes with this root."""

    def __init__(self, inside: Any, *layers: Path) -> None:
        self.inside = inside
        self.layers = layers

    def spec(self, code: str, **members: Any) -> SandboxSpec:
        argv = (PYTHON, "-I", "-S", "-u", "-c", code)
        environment = {"LD_LIBRARY_PATH": "/var/lang/lib", "PATH": "/usr/bin:/bin"}
        members = {"root": self.layers, "working_directory": "/", **members}
        return SandboxSpec(argv=argv, environment=environment, **members)

    async def run(self, code: str, **members: Any) -> Any:
        sandbox = await self.inside.launcher.start(self.spec(code, **members))
        sandbox.send_control(b"")
        return await self.inside.end(sandbox)

    async def look(self, expression: str, **members: Any) -> Any:
        ended = await self.run(f"import json, os; print(json.dumps({expression}))", **members)
        return json.loads(ended.output)


@pytest.fixture
def image(isolated: Any, base: tuple[Path, Path]) -> Callable[..., Image]:
    return lambda *layers: Image(isolated, *base, *layers)


async def test_what_it_sees_is_the_image_and_what_every_sandbox_has(image: Any) -> None:
    found = await image().look("[sorted(os.listdir('/')), os.path.exists('/usr/share'), os.getcwd()]")
    assert set(found[0]) <= {"bin", "dev", "etc", "lib", "lib64", "opt", "proc", "run", "tmp", "usr", "var"}
    assert {"dev", "proc", "tmp"} <= set(found[0])
    assert found[1:] == [False, "/"]


async def test_an_upper_layer_hides_and_takes_away_what_is_below(image: Any, layer: Layer) -> None:
    lower = layer("lower", {"data/kept": "lower", "data/changed": "lower", "data/gone": "", "whole/old": ""})
    upper = layer("upper", {"data/changed": "upper", "data/gone": None, "whole/new": ""})
    os.setxattr(upper / "whole", "user.overlay.opaque", b"y")
    found = await image(lower, upper).look(
        "[sorted(os.listdir('/data')), open('/data/changed').read(), open('/data/kept').read(), os.listdir('/whole')]"
    )
    assert found == [["changed", "kept"], "upper", "lower", ["new"]]


async def test_more_layers_than_their_paths_would_fit_into_a_page(image: Any, layer: Layer) -> None:
    many = [layer(f"{'x' * 100}{number}", {f"many/{number}": ""}) for number in range(127)]
    assert await image(*many).look("len(os.listdir('/many'))") == 127


async def test_its_devices_and_processes_are_its_own_and_tmp_has_its_size(image: Any) -> None:
    found = await image().look(
        "[sorted(os.listdir('/dev')), sorted(p for p in os.listdir('/proc') if p.isdigit()) == [str(os.getpid())],"
        " os.statvfs('/tmp').f_blocks * os.statvfs('/tmp').f_frsize >> 20, os.access('/tmp', os.W_OK)]",
        limits=Limits(tmp_mb=600),
    )
    assert found[0] == ["fd", "full", "null", "random", "stderr", "stdin", "stdout", "urandom", "zero"]
    assert found[1] is True
    assert 590 <= found[2] <= 640
    assert found[3] is True


@pytest.mark.parametrize("path", ["/new", "/etc/hosts", "/etc/new", "/usr/new", "/var/task/new"])
async def test_nothing_but_tmp_can_be_written(image: Any, path: str) -> None:
    ended = await image().run(f"try: open({path!r}, 'w')\nexcept OSError as error: print(error.errno)")
    assert ended.output == "30\n"


async def test_mount_points_are_there_whatever_the_image_makes_of_them(image: Any, layer: Layer) -> None:
    hostile = layer("hostile", {"tmp": "a file", "etc/resolv.conf/nested": "", "etc/passwd/nested": ""})
    (hostile / "proc").symlink_to("/nowhere")
    (hostile / "dev").symlink_to("tmp")
    found = await image(hostile).look(
        "[os.path.isdir('/tmp'), os.path.islink('/proc'), os.path.exists('/dev/null'), open('/etc/resolv.conf').read(),"
        " 'sbx_user1051' in open('/etc/passwd').read()]"
    )
    assert found == [True, False, True, "", True]


async def test_the_users_of_the_image_stay_and_the_sandboxs_own_is_added(image: Any, layer: Layer) -> None:
    users = layer("users", {"etc/passwd": "app:x:7:7::/app:/bin/sh\n", "etc/group": "staff:x:8:"})
    found = await image(users).look(
        "[open('/etc/passwd').read().splitlines()[0], open('/etc/group').read().splitlines()[0],"
        " [l.split(':')[0] for l in open('/etc/passwd') if l.split(':')[2] == str(os.getuid())],"
        " [l.split(':')[0] for l in open('/etc/group') if l.split(':')[2] == str(os.getgid())]]"
    )
    assert found == ["app:x:7:7::/app:/bin/sh", "staff:x:8:", ["sbx_user1051"], ["sbx_user1051"]]


async def test_a_link_in_the_place_of_passwd_leads_nowhere_on_the_host(
    image: Any, layer: Layer, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret:x:1:1::/:/bin/sh\n")
    linked = layer("linked", {"etc/other": ""})
    (linked / "etc/passwd").symlink_to(tmp_path / "secret")
    (linked / "etc/group").symlink_to("../../../../.." + str(tmp_path / "secret"))
    found = await image(linked).look("open('/etc/passwd').read() + open('/etc/group').read()")
    assert "secret" not in found
    assert "sbx_user1051" in found


async def test_a_pipe_in_the_place_of_passwd_stops_nobody(image: Any, layer: Layer) -> None:
    piped = layer("piped", {"etc/other": ""})
    os.mkfifo(piped / "etc/passwd")
    assert "sbx_user1051" in await image(piped).look("open('/etc/passwd').read()")


async def test_two_at_once_have_nothing_in_common_but_the_layers(image: Any, isolated: Any) -> None:
    first = await isolated.launcher.start(
        image().spec("open('/tmp/mine', 'w'); import os; os.write(1, b'.'); open(3).read()")
    )
    await isolated.read(first, b".")
    assert await image().look("os.listdir('/tmp')") == []
    first.kill()
    await isolated.end(first)


async def test_further_directories_can_be_bound_into_it(image: Any, tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "module").touch()
    binds = (Bind(source=code, target="/var/task"), Bind(source=code / "module", target="/not/there/yet"))
    assert await image().look("[os.listdir('/var/task'), os.path.isfile('/not/there/yet')]", binds=binds) == [
        ["module"],
        True,
    ]


async def test_the_mount_table_names_no_directory_of_the_host(image: Any, layer: Layer, tmp_path: Path) -> None:
    table = await image(layer("one", {"a": ""})).look("open('/proc/self/mountinfo').read()")
    assert str(tmp_path) not in table
    assert "/images/" not in table


async def test_the_layers_are_as_they_were(image: Any, layer: Layer) -> None:
    one = layer("one", {"a": ""})
    before = sorted(os.walk(one))
    await image(one).run("print()")
    assert sorted(os.walk(one)) == before


@pytest.mark.parametrize(
    ("argv", "directory", "step", "path", "errno"),
    [
        ("/app/none", "/", "execute", "/app/none", 2),
        ("/app/broken", "/", "execute", "/app/broken", 8),
        ("/app/closed", "/", "execute", "/app/closed", 13),
        ("none", "/", "execute", "none", 2),
        ("/bin/sh", "/no such", "enter", "/no such", 2),
        ("/bin/sh", "/app/broken", "enter", "/app/broken", 20),
    ],
)
async def test_the_program_that_is_to_blame_is_named(
    isolated: Any, image: Any, layer: Layer, argv: str, directory: str, step: str, path: str, errno: int
) -> None:
    broken = layer("broken", {"app/broken": "no program", "app/closed": "#!/bin/sh"})
    (broken / "app/broken").chmod(0o755)
    spec = SandboxSpec(argv=(argv,), environment={"PATH": "/bin"}, root=image(broken).layers,
                       working_directory=directory)  # fmt: skip
    with pytest.raises(ProgramUnavailable) as caught:
        await isolated.launcher.start(spec)
    assert (caught.value.step, caught.value.path, caught.value.errno) == (step, path, errno)


async def test_a_layer_that_is_not_there_is_told(image: Any, tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match=r"the image: No such file or directory") as caught:
        await image(tmp_path / "nowhere").run("print()")
    assert not isinstance(caught.value, ProgramUnavailable)


async def test_after_one_that_failed_the_next_starts(image: Any, tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable):
        await image(tmp_path / "nowhere").run("print()")
    assert (await image().run("print('next')")).output == "next\n"


async def test_level_e_says_that_images_need_isolation(inside: Any, base: tuple[Path, Path]) -> None:
    if inside.launcher.level != "E":
        pytest.skip("of the other levels")
    with pytest.raises(SandboxUnavailable, match="container images need isolation level A or B"):
        await Image(inside, *base).run("print()")


async def test_a_strict_mask_of_the_server_closes_nothing_to_the_sandbox(
    open_launcher: Any, base: tuple[Path, Path]
) -> None:
    before = os.umask(0o077)
    try:
        launcher = await open_launcher()
    finally:
        os.umask(before)
    if launcher.level == "E":
        pytest.skip("level E has no images")
    sandbox = await launcher.start(SandboxSpec(argv=("/bin/sh", "-c", "read a </etc/passwd && echo ok"),
                                               environment={}, root=base, working_directory="/"))  # fmt: skip
    assert await sandbox.exited == Exit(status=0)
    sandbox.close()


@pytest.mark.slow
async def test_the_number_of_files_makes_no_difference(image: Any, layer: Layer) -> None:
    """P9 in small: nothing is done for each file."""
    large = layer("large", {f"d{number % 100}/f{number}": "" for number in range(20_000)})

    async def fastest(target: Image) -> float:
        taken = []
        for _ in range(8):
            began = time.perf_counter()
            sandbox = await target.inside.launcher.start(target.spec("pass"))
            taken.append(time.perf_counter() - began)
            await target.inside.end(sandbox)
        return min(taken)

    assert await fastest(image(large)) < 3 * await fastest(image()) + 0.01


def test_a_user_with_the_number_already_keeps_their_name() -> None:
    assert _with_user(b"app:x:7:7::/:/bin/sh", 7) == b"app:x:7:7::/:/bin/sh"
    assert _with_user(b"app:x:7:7::/:/bin/sh", 8).count(b"\n") == 2


async def test_without_overlayfs_one_merged_folder_is_bound_entry_by_entry(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What the launcher binds then, without a kernel: the entries of the tree under the sandbox's own layer."""
    bound: list[str] = []
    monkeypatch.setattr("lamina.sandbox._mounts.detached", lambda source: bound.append(source) or len(bound))
    tree = tmp_path / "tree"
    for name in ("usr/bin", "etc", "tmp", "proc"):
        (tree / name).mkdir(parents=True)
    (tree / "etc/passwd").write_text("app:x:7:7::/:/bin/sh\n")
    (tree / "bin").symlink_to("usr/bin")
    mounts = ImageRoots(str(tmp_path / "work"), "no overlay").mount("1", [str(tree)], 5, [])
    top = tmp_path / "work/1"
    targets = [target for _, target in mounts]
    assert (targets[0], sorted(targets[1:-1]), targets[-1]) == ("/", ["/etc", "/usr"], "/etc/passwd")
    assert bound[0] == str(top)
    assert str((top / "bin").readlink()) == "usr/bin"
    assert "sbx_user1051:x:5" in (top / "etc/passwd").read_text()
