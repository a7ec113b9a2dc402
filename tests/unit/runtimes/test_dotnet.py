"""Finding .NET, and starting an executable assembly with it; no .NET is run here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.runtimes import Runtimes, RuntimeUnavailable, SearchPath
from lamina.runtimes._places import BOOTSTRAPS
from tests.unit.runtimes.conftest import Function, _started
from tests.unit.runtimes.test_runtimes import program


def dotnet(root: Path, *versions: str) -> Path:
    for version in versions:
        (root / "shared/Microsoft.NETCore.App" / version).mkdir(parents=True)
    return program(root / "dotnet")


def test_finds_the_newest_framework_of_each_name(tmp_path: Path) -> None:
    dotnet(tmp_path / "dotnet", "8.0.2", "8.0.11", "10.0.0", "3.1.32", "9.0.0-preview.1")
    runtimes = Runtimes.discover(SearchPath(programs=(), dotnets=(tmp_path / "dotnet",)))
    assert {"dotnet8", "dotnet10", "dotnetcore3.1"} == {name for name in runtimes.names if name.startswith("dotnet")}
    found = runtimes.resolve("dotnet8")
    assert found.argv == ("/bin/sh", "/var/runtime/bootstrap.sh", "/var/lang/dotnet")
    assert {bind.target: bind.source for bind in found.binds}["/var/lang"] == tmp_path / "dotnet"
    assert (found.version_label, found.environment["DOTNET_ROOT"]) == ("dotnet:8.v0.11", "/var/lang")
    assert runtimes.resolve("dotnetcore3.1").version_label == "dotnet:3.1.v32"


def test_follows_the_link_of_path_to_the_installation(tmp_path: Path) -> None:
    file = dotnet(tmp_path / "real", "8.0.2")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/dotnet").symlink_to(file)
    assert Runtimes.discover(SearchPath(programs=(tmp_path / "bin",))).resolve("dotnet8").origin == str(file)


def test_takes_no_other_version(tmp_path: Path) -> None:
    file = dotnet(tmp_path / "dotnet", "10.0.1")
    runtimes = Runtimes.discover(SearchPath(programs=(), dotnets=(file.parent,)))
    with pytest.raises(RuntimeUnavailable) as refused:
        runtimes.resolve("dotnet1")
    assert str(refused.value) == (
        "No .NET 1 was found: looked for dotnet in no directory,"
        f" and for shared/Microsoft.NETCore.App/1.* in {tmp_path}/dotnet"
    )
    with pytest.raises(RuntimeUnavailable, match=r"has no \.NET 8 beside it"):
        runtimes.with_program("dotnet8", file)
    with pytest.raises(RuntimeUnavailable, match="is not the program dotnet"):
        runtimes.with_program("dotnet8", Path("/bin/sh"))


@pytest.fixture
def boot(tmp_path: Path) -> Iterator[list[Function]]:
    running: list[Function] = []
    yield running
    for function in running:
        function.close()


def started(boot: list[Function], root: Path, handler: str) -> Function:
    script = BOOTSTRAPS / "dotnet/bootstrap.sh"
    environment = {"LAMBDA_TASK_ROOT": str(root), "_HANDLER": handler, "LAMBDA_RUNTIME_NAME": "dotnet8"}
    boot.append(_started(["/bin/sh", str(script), "/bin/echo"], environment, None))
    return boot[-1]


def test_starts_an_executable_assembly(boot: list[Function], tmp_path: Path) -> None:
    (tmp_path / "My App.dll").touch()
    function = started(boot, tmp_path, "My App")
    assert function.status() == 0
    assert function.log() == f"{tmp_path}/My App.dll\n"


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        ('No"ne\\', "Couldn't find valid assembly: [{root}/No\"ne\\.dll]"),
        ("A::B.C::D", "The handler A::B.C::D is in a class library, which only AWS's own loader can start."),
    ],
)
def test_says_what_it_cannot_start(boot: list[Function], tmp_path: Path, handler: str, reason: str) -> None:
    function = started(boot, tmp_path, handler)
    error = function.init_error().json
    assert error["errorType"] == "Runtime.InvalidEntrypoint"
    assert error["errorMessage"].startswith(reason.format(root=tmp_path))
    assert function.status() == 127
