"""``lamina doctor``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lamina.cli import _doctor, main
from lamina.sandbox import Capability, Launcher, Report, SandboxUnavailable, native_architecture

NAMESPACES = Capability(name="namespaces", works=True, reason="", remedy="run as root", needed_for=("A", "B"))
USER = Capability(name="own user", works=False, reason="needs root", remedy="run as root", needed_for=("A",))


class Machine:
    """Answers as a launcher on a machine with this report would."""

    def __init__(self, report: Report | None) -> None:
        self.report = report

    async def open(self, directory: Path, isolation: str, *, spares: int) -> Machine:
        if self.report is None:
            raise SandboxUnavailable(f"isolation {isolation} is not possible here")
        return self

    async def close(self) -> None:
        """Nothing was started."""


def run(*flags: str, config: str = "/nowhere/lamina.toml") -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, ["doctor", "--config", config, *flags])


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(Report(level="B", capabilities=(NAMESPACES, USER)))
    monkeypatch.setattr(_doctor, "Launcher", made)
    return made


def test_this_machine() -> None:
    result = run()
    assert result.exit_code == 0, result.output
    assert "Isolation: level" in result.output
    assert "provided.al2023" in result.output


def test_what_is_missing_for_a_better_level(machine: Machine) -> None:
    assert "what is missing for a better one is own user." in run().output


def test_a_remedy_stands_beside_what_is_missing_only(machine: Machine) -> None:
    lines = run().output.splitlines()
    assert [("no: needs root" in line, "run as root" in line) for line in lines if "│ own user" in line] == [
        (True, True)
    ]
    assert [("yes" in line, "run as root" in line) for line in lines if "│ namespaces" in line] == [(True, False)]


def test_the_best_level(machine: Machine) -> None:
    machine.report = Report(level="A", capabilities=(NAMESPACES, replace(USER, works=True)))
    assert "It is the best level there is." in run().output


def test_a_pinned_level(machine: Machine) -> None:
    assert "It is the one that was asked for." in run("--isolation", "B").output


def test_a_level_that_is_impossible_is_one_line_and_status_1(machine: Machine) -> None:
    machine.report = None
    result = run("--isolation", "A")
    assert (result.exit_code, result.output) == (1, "Error: isolation A is not possible here\n")


def test_a_level_that_does_not_exist_is_refused() -> None:
    result = run("--isolation", "Z")
    assert result.exit_code == 1
    assert "--isolation cannot be 'Z'" in result.output


def test_nothing_is_left_running_or_lying_about(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    opened: list[Any] = []
    original = Launcher.open

    async def open_and_note(directory: Path, isolation: str, *, spares: int) -> Launcher:
        opened.append((directory, await original(directory, isolation, spares=spares)))
        return opened[0][1]

    monkeypatch.setattr(_doctor.Launcher, "open", open_and_note)
    run()
    directory, launcher = opened[0]
    assert not directory.exists()
    assert launcher._connection.lost


def test_the_architectures_that_run_here(machine: Machine) -> None:
    rows = {line.split("│")[1].strip(): line for line in run().output.splitlines() if line.count("│") == 3}
    assert "native" in rows[native_architecture()]
    foreign = "arm64" if native_architecture() == "x86_64" else "x86_64"
    assert "emulated" in rows[foreign]
    missing = Capability(name="foreign architecture", works=False, reason="no qemu", remedy="get it", needed_for=())
    machine.report = Report(level="B", capabilities=(missing,))
    assert "no: no qemu (get it)" in run().output
