"""Finding the interpreters of a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.runtimes import Runtimes, RuntimeUnavailable, SearchPath
from lamina.sandbox import native_architecture

FOREIGN = "arm64" if native_architecture() == "x86_64" else "x86_64"
ELF = b"\x7fELF"


def program(path: Path, content: bytes = ELF) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o755)
    return path


def python(prefix: Path, minor: int) -> Path:
    (prefix / f"lib/python3.{minor}").mkdir(parents=True)
    (prefix / f"lib/python3.{minor}/os.py").touch()
    return program(prefix / f"bin/python3.{minor}")


def search(*programs: Path, **managed: tuple[Path, ...]) -> SearchPath:
    return SearchPath(programs=programs, **managed)


def test_finds_a_python_of_a_version_manager(tmp_path: Path) -> None:
    python(tmp_path / "3.12.1", 12)
    runtime = Runtimes.discover(search(pythons=(tmp_path,))).resolve("python3.12")
    assert runtime.argv == ("/var/lang/bin/python3.12", "-S", "/var/runtime/bootstrap.py")
    assert {bind.target: bind.source for bind in runtime.binds}["/var/lang"] == tmp_path / "3.12.1"
    assert not any(bind.writable for bind in runtime.binds)
    assert (runtime.generic, runtime.version_label) == (True, "python:3.12.v1")


def test_brings_the_sdk_to_each_python_that_can_run_it(tmp_path: Path) -> None:
    python(tmp_path / "3.6.1", 6)
    python(tmp_path / "3.99.1", 99)
    runtimes = Runtimes.discover(search(pythons=(tmp_path,)))
    targets = [{bind.target for bind in runtimes.resolve(name).binds} for name in ("python3.6", "python3.99")]
    assert targets[0] == {"/var/lang", "/var/runtime"}
    assert targets[1] >= {"/var/sdk/boto3", "/var/sdk/botocore", "/var/sdk/urllib3", "/var/sdk/six.py"}


def test_takes_the_newest_patch_version(tmp_path: Path) -> None:
    for version in ("3.12.9", "3.12.10", "3.12.1"):
        python(tmp_path / version, 12)
    runtime = Runtimes.discover(search(pythons=(tmp_path,))).resolve("python3.12")
    assert runtime.version_label == "python:3.12.v10"


def test_prefers_the_programs_of_path(tmp_path: Path) -> None:
    python(tmp_path / "versions/3.12.9", 12)
    python(tmp_path / "mine", 12)
    runtime = Runtimes.discover(search(tmp_path / "mine/bin", pythons=(tmp_path / "versions",))).resolve("python3.12")
    assert {bind.source for bind in runtime.binds} >= {tmp_path / "mine"}


def test_follows_links_to_the_installation(tmp_path: Path) -> None:
    real = python(tmp_path / "real", 11)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3.11").symlink_to(real)
    runtime = Runtimes.discover(search(tmp_path / "bin")).resolve("python3.11")
    assert {bind.source for bind in runtime.binds} >= {tmp_path / "real"}


def test_never_takes_or_starts_a_shim(tmp_path: Path) -> None:
    proof = tmp_path / "started"
    program(tmp_path / "shims/python3.12", f"#!/bin/sh\ntouch {proof}\n".encode())
    assert "python3.12" not in Runtimes.discover(search(tmp_path / "shims")).names
    assert not proof.exists()


@pytest.mark.parametrize("name", ["python3.5", "python3", "python3.12-config", "python2.7"])
def test_leaves_other_programs_alone(tmp_path: Path, name: str) -> None:
    program(tmp_path / "bin" / name)
    (tmp_path / "lib/python3.5").mkdir(parents=True)
    (tmp_path / "lib/python3.5/os.py").touch()
    assert not any(found.startswith("python") for found in Runtimes.discover(search(tmp_path / "bin")).names)


def test_wants_the_library_beside_the_program(tmp_path: Path) -> None:
    program(tmp_path / "venv/bin/python3.12")
    assert "python3.12" not in Runtimes.discover(search(tmp_path / "venv/bin")).names


def test_does_not_show_a_home_directory_to_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home/me"))
    python(tmp_path / "home/me", 12)
    python(tmp_path / "home", 13)
    places = (tmp_path / "home/me/bin", tmp_path / "home/bin")
    assert not any(name.startswith("python") for name in Runtimes.discover(search(*places)).names)


def test_survives_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3.12").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    (tmp_path / "closed").mkdir(mode=0)
    places = (tmp_path / "loop", tmp_path / "bin", tmp_path / "file", tmp_path / "closed", tmp_path / "missing")
    assert Runtimes.discover(search(*places, pythons=places, nodes=places)).names == (
        "provided",
        "provided.al2",
        "provided.al2023",
        "custom",
    )


@pytest.mark.parametrize(
    ("layout", "name"),
    [("v20.11.0/bin/node", "nodejs20.x"), ("v18.1.2/installation/bin/node", "nodejs18.x")],
)
def test_finds_a_node_of_a_version_manager(tmp_path: Path, layout: str, name: str) -> None:
    file = program(tmp_path / layout)
    runtime = Runtimes.discover(search(nodes=(tmp_path,))).resolve(name)
    assert runtime.argv[0] == "/var/lang/bin/node"
    assert {bind.target: bind.source for bind in runtime.binds}["/var/lang"] == file.parent.parent


def test_knows_the_version_of_a_node_from_its_header(tmp_path: Path) -> None:
    program(tmp_path / "bin/node")
    header = tmp_path / "include/node/node_version.h"
    header.parent.mkdir(parents=True)
    header.write_text("".join(f"#define NODE_{part}_VERSION 22\n" for part in ("MAJOR", "MINOR", "PATCH")))
    assert "nodejs22.x" in Runtimes.discover(search(tmp_path / "bin")).names


def test_knows_the_version_of_a_node_from_its_program(tmp_path: Path) -> None:
    program(tmp_path / "bin/node", ELF + b"\0https://nodejs.org/download/release/v24.1.0/node-v24.1.0.tar.gz\0")
    found = Runtimes.discover(search(tmp_path / "bin")).resolve("nodejs24.x")
    assert found.version_label == "nodejs:24.v1.0"
    assert found.environment["NODE_PATH"].startswith("/opt/nodejs/node24/node_modules:")


def test_knows_the_patch_version_of_a_python_from_its_program(tmp_path: Path) -> None:
    python(tmp_path, 11).write_bytes(ELF + b"\x003.11.2\0")
    assert Runtimes.discover(search(tmp_path / "bin")).resolve("python3.11").version_label == "python:3.11.v2"


def ruby(prefix: Path, version: str) -> Path:
    return program(prefix / "bin/ruby", ELF + f"\0ruby {version} (2026-01-01 revision 0) [x86_64-linux]\0".encode())


def test_finds_a_ruby_of_a_version_manager_and_tells_it_where_its_library_is(tmp_path: Path) -> None:
    for version in ("3.3.1p5", "3.3.10", "4.0.0"):
        ruby(tmp_path / version, version)
    library = tmp_path / "3.3.10/lib/ruby/3.3.0/x86_64-linux"
    library.mkdir(parents=True)
    (library / "rbconfig.rb").touch()
    runtimes = Runtimes.discover(search(rubies=(tmp_path,)))
    found = runtimes.resolve("ruby3.3")
    assert found.argv == (
        "/var/lang/bin/ruby",
        "--disable=gems",
        "-I/var/lang/lib/ruby/3.3.0",
        "-I/var/lang/lib/ruby/3.3.0/x86_64-linux",
        "/var/runtime/bootstrap.rb",
    )
    assert {bind.target: bind.source for bind in found.binds}["/var/lang"] == tmp_path / "3.3.10"
    assert (found.version_label, found.environment["GEM_HOME"]) == ("ruby:3.3.v10", "/var/runtime")
    assert "ruby4.0" in runtimes.names


def test_knows_the_version_of_a_ruby_from_its_library(tmp_path: Path) -> None:
    program(tmp_path / "bin/ruby3.2")
    for version in ("3.1.9", "3.2.4"):
        library = tmp_path / f"lib/libruby-{version[:3]}.so.{version[:3]}"
        library.parent.mkdir(exist_ok=True)
        library.write_bytes(ELF + f"\0ruby {version}p1 (".encode())
    runtimes = Runtimes.discover(search(tmp_path / "bin"))
    assert runtimes.resolve("ruby3.2").version_label == "ruby:3.2.v4"
    assert "ruby3.1" not in runtimes.names


def test_says_where_it_looked_for_a_ruby(tmp_path: Path) -> None:
    with pytest.raises(RuntimeUnavailable) as refused:
        Runtimes.discover(search(tmp_path / "a", rubies=(tmp_path / "b",))).resolve("ruby3.4")
    assert str(refused.value) == (
        f"No Ruby 3.4 was found: looked for ruby of version 3.4 in {tmp_path}/a, and for 3.4.* in {tmp_path}/b"
    )


def test_says_what_was_looked_for_and_where(tmp_path: Path) -> None:
    runtimes = Runtimes.discover(search(tmp_path / "a", pythons=(tmp_path / "b",)))
    with pytest.raises(RuntimeUnavailable) as refused:
        runtimes.resolve("python3.14")
    assert str(refused.value) == (
        f"No Python 3.14 was found: looked for python3.14 in {tmp_path}/a, and for 3.14.* in {tmp_path}/b"
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cobol85", "cobol85 is not a runtime that Lamina knows"),
        ("", " is not a runtime that Lamina knows"),
    ],
)
def test_says_what_is_no_runtime_at_all(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(RuntimeUnavailable) as refused:
        Runtimes.discover(search(tmp_path)).resolve(name)
    assert str(refused.value) == message


def test_looks_where_the_environment_says(tmp_path: Path) -> None:
    found = SearchPath.of_machine({"PATH": f"{tmp_path}:relative:", "PYENV_ROOT": "/p", "NVM_DIR": "/n"}, tmp_path)
    assert found.programs[0] == tmp_path
    assert all(directory.is_absolute() for directory in found.programs)
    assert Path("/p/versions") in found.pythons
    assert Path("/n/versions/node") in found.nodes
    assert tmp_path / ".local/share/uv/python" in found.pythons


@pytest.mark.parametrize("name", ["provided", "provided.al2", "provided.al2023"])
def test_always_has_the_os_only_runtimes(tmp_path: Path, name: str) -> None:
    runtime = Runtimes.discover(search(tmp_path)).resolve(name)
    assert not runtime.generic
    assert [bind.target for bind in runtime.binds] == ["/var/runtime"]


def test_an_os_only_runtime_is_of_any_architecture_that_runs_here() -> None:
    runtimes = Runtimes.discover(search(), lambda _: "")
    for architecture in ("x86_64", "arm64"):
        assert runtimes.resolve("provided.al2023", architecture).architecture == architecture
    assert runtimes.resolve("provided.al2023").architecture == native_architecture()


def test_the_remedy_for_a_foreign_architecture_is_told() -> None:
    runtimes = Runtimes.discover(search(), lambda architecture: "get qemu" if architecture == FOREIGN else "")
    with pytest.raises(RuntimeUnavailable, match=f"Programs for {FOREIGN} cannot run here: get qemu"):
        runtimes.resolve("provided.al2023", FOREIGN)
    with pytest.raises(RuntimeUnavailable, match="get qemu"):
        runtimes.require(FOREIGN)
    runtimes.require(native_architecture())


@pytest.mark.parametrize("name", ["python3.12", "nodejs22.x"])
def test_an_interpreter_of_this_machine_is_none_of_another(tmp_path: Path, name: str) -> None:
    python(tmp_path / "3.12.1", 12)
    runtimes = Runtimes.discover(search(pythons=(tmp_path,)), lambda _: "")
    with pytest.raises(RuntimeUnavailable, match=f"{name} for {FOREIGN} cannot run here: .* are for"):
        runtimes.resolve(name, FOREIGN)


def test_without_a_word_of_the_launcher_only_this_machines_own_runs() -> None:
    with pytest.raises(RuntimeUnavailable, match="this machine is"):
        Runtimes.discover(search()).resolve("provided", FOREIGN)
