from __future__ import annotations

from pathlib import Path

import pytest

from lamina.sandbox import Capability, Report, doctor, probe
from lamina.sandbox._probe import LEVELS, REMEDIES, choose

ALL = dict.fromkeys(REMEDIES, "")
NO_ROOT = {**ALL, "user of its own": "needs root", "control groups": "Permission denied"}
NOTHING = dict.fromkeys(REMEDIES, "Operation not permitted")


@pytest.mark.parametrize(
    ("findings", "isolation", "level"),
    [
        (ALL, "auto", "A"),
        (NO_ROOT, "auto", "B"),
        (NOTHING, "auto", "E"),
        (ALL, "B", "B"),
        (ALL, "E", "E"),
        (NO_ROOT, "min:B", "B"),
        (ALL, "min:B", "A"),
        (NOTHING, "min:E", "E"),
    ],
)
def test_the_best_level_that_is_possible_and_allowed_is_chosen(
    findings: dict[str, str], isolation: str, level: str
) -> None:
    assert choose(findings, isolation) == level


@pytest.mark.parametrize(("findings", "isolation"), [(NO_ROOT, "A"), (NO_ROOT, "min:A"), (NOTHING, "min:B")])
def test_less_than_was_asked_for_is_refused_in_one_line(findings: dict[str, str], isolation: str) -> None:
    with pytest.raises(ValueError, match="not possible here") as refusal:
        choose(findings, isolation)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("isolation", ["", "C", "min:", "min:auto", "a"])
def test_an_unknown_isolation_is_refused(isolation: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        choose(ALL, isolation)


def test_every_step_of_a_level_is_one_that_is_tried() -> None:
    assert {step for steps in LEVELS.values() for step in steps} <= set(REMEDIES)


async def test_the_probe_names_every_capability_and_leaves_nothing(tmp_path: Path) -> None:
    report = await probe(tmp_path)
    assert {capability.name for capability in report.capabilities} == set(REMEDIES)
    assert not list(tmp_path.glob("groups-*"))


def test_the_doctor_says_what_is_missing_and_what_to_do() -> None:
    capability = Capability(
        name="control groups", works=False, reason="Permission denied", remedy="run as root", needed_for=("A",)
    )
    text = doctor(Report(level="B", capabilities=(capability,)))
    assert "level B" in text
    assert "no: Permission denied" in text
    assert "control groups: run as root" in text
