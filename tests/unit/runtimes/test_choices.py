"""What the operator has chosen comes before what is found."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from lamina.runtimes import Choice, ChoicesError, Runtimes, RuntimeUnavailable, SearchPath, write_choice
from lamina.sandbox import native_architecture
from tests.unit.runtimes.test_runtimes import FOREIGN, python, ruby

NOTHING = SearchPath(programs=())
IMAGE = "registry.example/python@sha256:" + "a" * 64


def runtimes(data: Path) -> Runtimes:
    return Runtimes.discover(NOTHING, lambda _: "", choices=data)


def test_a_program_may_serve_under_another_version(tmp_path: Path) -> None:
    file = ruby(tmp_path / "own", "3.1.2")
    write_choice(tmp_path / "data", "ruby3.2", Choice(path=file))
    found = runtimes(tmp_path / "data").resolve("ruby3.2")
    assert (found.name, found.version_label, found.origin) == ("ruby3.2", "ruby:3.1.v2", str(file))
    assert {bind.target: bind.source for bind in found.binds}["/var/lang"] == tmp_path / "own"


def test_a_choice_counts_before_what_is_found(tmp_path: Path) -> None:
    found = python(tmp_path / "found", 12)
    chosen = python(tmp_path / "chosen", 12)
    data = tmp_path / "data"
    all_of_it = Runtimes.discover(SearchPath(programs=(found.parent,)), choices=data)
    assert all_of_it.resolve("python3.12").origin == str(found)
    write_choice(data, "python3.12", Choice(path=chosen))
    assert all_of_it.resolve("python3.12").origin == str(chosen)
    assert (
        all_of_it.resolve("python3.12").key
        != Runtimes.discover(SearchPath(programs=(found.parent,))).resolve("python3.12").key
    )
    assert write_choice(data, "python3.12", None)
    assert all_of_it.resolve("python3.12").origin == str(found)
    assert not write_choice(data, "python3.12", None)


def test_compiled_files_are_those_of_the_interpreter_that_runs(tmp_path: Path) -> None:
    write_choice(tmp_path, "python3.14", Choice(path=python(tmp_path / "own", 13)))
    assert runtimes(tmp_path).resolve("python3.14").bytecode == "cpython-313"


def test_a_chosen_program_that_is_gone_is_told(tmp_path: Path) -> None:
    file = ruby(tmp_path / "own", "3.1.2")
    write_choice(tmp_path, "ruby3.2", Choice(path=file))
    file.unlink()
    with pytest.raises(RuntimeUnavailable, match=f"{file} is not the program ruby of a Ruby"):
        runtimes(tmp_path).resolve("ruby3.2")


def test_an_image_runs_what_it_was_made_for(tmp_path: Path) -> None:
    write_choice(tmp_path, "python3.12", Choice(image=IMAGE, architecture=FOREIGN))
    here = runtimes(tmp_path)
    found = here.resolve("python3.12", FOREIGN)
    assert found.image is not None
    assert (found.image.source, found.image.digest) == (IMAGE, "sha256:" + "a" * 64)
    assert (found.argv, found.binds, found.generic, found.architecture) == ((), (), False, FOREIGN)
    with pytest.raises(RuntimeUnavailable, match=r"No Python 3\.12 was found"):
        here.resolve("python3.12", native_architecture())


def test_images_are_in_use_for_as_long_as_something_may_run_in_them(tmp_path: Path) -> None:
    here = runtimes(tmp_path)
    assert here.images_in_use() == set()
    write_choice(tmp_path, "python3.12", Choice(image=IMAGE, architecture=native_architecture()))
    assert here.images_in_use() == {"sha256:" + "a" * 64}
    here.resolve("python3.12")
    write_choice(tmp_path, "python3.12", None)
    assert here.images_in_use() == {"sha256:" + "a" * 64}


def test_an_os_only_runtime_in_an_image_starts_the_functions_bootstrap(tmp_path: Path) -> None:
    write_choice(tmp_path, "provided.al2023", Choice(image=IMAGE, architecture=native_architecture()))
    assert runtimes(tmp_path).resolve("provided.al2023").argv == ("/var/task/bootstrap",)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[", "cannot be read"),
        ("a = 1", "a must be a table of texts"),
        ("[a]\npath = 1", "a must be a table of texts"),
        ("[a]\npath = 'bin/ruby'", "the path of a must be absolute"),
        ("[a]\nimage = 'x:1'\narchitecture = 'arm64'", "the image of a must end with its digest"),
        ("[a]\nimage = 'x@sha256:00'\narchitecture = 'arm64'", "the image of a must end with its digest"),
        ("[a]\npath = '/x'\ncolour = 'red'", "a must have path, or image and architecture"),
        ("[a]", "a must have path, or image and architecture"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_at_the_start(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "runtimes.toml").write_text(text)
    with pytest.raises(ChoicesError, match=reason) as refused:
        runtimes(tmp_path)
    assert str(refused.value).startswith(f"{tmp_path}/runtimes.toml")


def test_one_that_breaks_later_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = ruby(tmp_path / "own", "3.1.2")
    write_choice(tmp_path, "ruby3.2", Choice(path=file))
    here = runtimes(tmp_path)
    (tmp_path / "runtimes.toml").write_bytes(b"\xff")
    for _ in range(3):
        assert here.resolve("ruby3.2").origin == str(file)
    assert len(caplog.messages) == 1
    with pytest.raises(ChoicesError):
        write_choice(tmp_path, "ruby3.2", None)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    odd = tmp_path / 'a "quoted" ü\\ 🚀'
    write_choice(tmp_path, "ruby3.3", Choice(path=odd))
    write_choice(tmp_path, "python3.12", Choice(image=IMAGE, architecture="arm64"))
    assert runtimes(tmp_path).chosen == {
        "python3.12": Choice(image=IMAGE, architecture="arm64"),
        "ruby3.3": Choice(path=odd),
    }
    with pytest.raises(ChoicesError, match="cannot be written"):
        write_choice(tmp_path, "ruby3.3", Choice(path=Path("/a\nb")))


def test_choices_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    names = [f"ruby3.{number}" for number in range(20)]
    threads = [threading.Thread(target=write_choice, args=(tmp_path, name, Choice(path=Path("/x")))) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(runtimes(tmp_path).chosen) == set(names)
    assert [file.name for file in tmp_path.iterdir()] == ["runtimes.toml"]


def test_a_disk_that_refuses_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_choice(tmp_path, "ruby3.2", Choice(path=Path("/x")))

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_choice(tmp_path, "ruby3.2", None)
    assert [file.name for file in tmp_path.iterdir()] == ["runtimes.toml"]
    assert runtimes(tmp_path).chosen == {"ruby3.2": Choice(path=Path("/x"))}
