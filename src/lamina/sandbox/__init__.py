"""Isolation: one file a kernel step, and the levels that put the steps together."""

from lamina.sandbox._foreign import ARCHITECTURES
from lamina.sandbox._foreign import native as native_architecture
from lamina.sandbox._interface import (
    Beside,
    Bind,
    Companions,
    Exit,
    Limits,
    ProgramUnavailable,
    Sandbox,
    SandboxLauncher,
    SandboxSpec,
    SandboxUnavailable,
)
from lamina.sandbox._launcher import Launcher, probe
from lamina.sandbox._report import MEANING, Capability, Report, doctor

__all__ = [
    "ARCHITECTURES",
    "MEANING",
    "Beside",
    "Bind",
    "Capability",
    "Companions",
    "Exit",
    "Launcher",
    "Limits",
    "ProgramUnavailable",
    "Report",
    "Sandbox",
    "SandboxLauncher",
    "SandboxSpec",
    "SandboxUnavailable",
    "doctor",
    "native_architecture",
    "probe",
]
