"""Functions for arm64 on an x86_64 machine: a zip's own bootstrap, and an image."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lamina.sandbox import Launcher, native_architecture
from tests._image_trees import CROSS_COMPILER, compiled, opened

from .test_image_environment import ECHO, BuiltImage, Rig


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    if native_architecture() != "x86_64":
        pytest.skip("this machine is not x86_64")
    launcher = await Launcher.open(tmp_path / "data")
    lacking = launcher.report.lack("arm64")
    if lacking:
        await launcher.close()
        pytest.skip(lacking)
    rig = Rig(launcher, tmp_path / "work")
    yield rig
    await rig.execution.close()
    await launcher.close()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("arm64")
    for parent in (folder, folder.parent):
        parent.chmod(0o755)
    compiled(ECHO, folder / "bootstrap", CROSS_COMPILER)
    return opened(folder)


async def test_a_zips_own_bootstrap_runs_emulated(rig: Rig, root: Path) -> None:
    await rig.deploy(code=root, package_type="Zip", runtime="provided.al2023", package="0" * 64, architecture="arm64")
    for number in range(2):
        payload, error = await rig.invoke(b'{"n":%d}' % number)
        assert (payload, error) == ({"machine": "aarch64", "event": {"n": number}}, None)


async def test_an_image_runs_emulated(rig: Rig, root: Path) -> None:
    await rig.deploy(BuiltImage(layers=(root,), entrypoint=("/bootstrap",), architecture="arm64"), memory_size=128)
    payload, error = await rig.invoke(b'{"n":1}')
    assert (payload, error) == ({"machine": "aarch64", "event": {"n": 1}}, None)


async def test_the_same_for_this_machine_says_that_it_is_no_program_of_it(rig: Rig, root: Path) -> None:
    await rig.deploy(BuiltImage(layers=(root,), entrypoint=("/bootstrap",)))
    payload, error = await rig.invoke()
    assert payload == {
        "errorType": "Runtime.InvalidEntrypoint",
        "errorMessage": "RequestId: r1 Error: fork/exec /bootstrap: exec format error",
    }
    assert error == "Unhandled"


@pytest.mark.parametrize("runtime", ["python3.12", "nodejs22.x"])
async def test_an_interpreter_for_it_is_not_made_believe(rig: Rig, root: Path, runtime: str) -> None:
    await rig.deploy(code=root, package_type="Zip", runtime=runtime, package="0" * 64, architecture="arm64")
    payload, error = await rig.invoke()
    assert (payload["errorType"], error) == ("Runtime.InvalidEntrypoint", "Unhandled")
    assert f"The runtime {runtime} for arm64 cannot run here" in payload["errorMessage"]
