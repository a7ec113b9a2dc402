"""What the machine allows, and what that means: the start-up probe's answer and the doctor's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from lamina.sandbox._foreign import native

MEANING = {
    "A": "namespaces, a user of its own, a system call filter and hard limits for every sandbox",
    "B": "namespaces and a system call filter; memory is limited by looking at it ten times a second",
    "E": "plain processes: nothing keeps a function from the files, processes and network of this user",
}
LAYERS, FOREIGN = "image layers", "foreign architecture"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """One thing that a sandbox is made of: whether this machine has it, why not, and what to do about that."""

    name: str
    works: bool
    reason: str
    remedy: str
    needed_for: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The level that was chosen and everything that was tried."""

    level: str
    capabilities: tuple[Capability, ...]

    def lack(self, architecture: str) -> str:
        """Why programs for ``architecture`` (of the API) cannot run here, and the remedy; empty when they can."""
        if architecture == native():
            return ""
        if self.level == "E":
            return f"programs for {architecture} need isolation level A or B on this machine, which is {native()}"
        return next((f"{each.reason} ({each.remedy})" for each in self._missing(FOREIGN)), "")

    @property
    def layers(self) -> bool:
        """Whether the root of a sandbox may have more than one layer; else images must be merged."""
        return not self._missing(LAYERS)

    def _missing(self, name: str) -> list[Capability]:
        return [each for each in self.capabilities if each.name == name and not each.works]

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Self:
        """The launcher's first message as a report."""
        needed: Mapping[str, list[str]] = message["needed"]
        capabilities = (
            Capability(
                name=name,
                works=not reason,
                reason=reason,
                remedy=message["remedies"][name],
                needed_for=tuple(level for level, names in needed.items() if name in names),
            )
            for name, reason in message["findings"].items()
        )
        return cls(level=message["level"], capabilities=tuple(capabilities))


def doctor(report: Report) -> str:
    """The report for a person: the level, each capability, and what to do to get a better level."""
    lines = [f"isolation: level {report.level} ({MEANING[report.level]})", ""]
    for capability in report.capabilities:
        levels = f"for level {' and '.join(capability.needed_for)}" if capability.needed_for else "optional"
        answer = "yes" if capability.works else f"no: {capability.reason}"
        lines.append(f"  {capability.name:22} {levels:18} {answer}")
    missing = [capability for capability in report.capabilities if not capability.works]
    if missing:
        lines += ["", "to get more:", *(f"  {each.name}: {each.remedy}" for each in missing)]
    return "\n".join(lines)
