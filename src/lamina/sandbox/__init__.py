"""Isolation: one file a kernel step, and the levels that put the steps together."""

from lamina.sandbox._interface import (
    Bind,
    Exit,
    Limits,
    Sandbox,
    SandboxLauncher,
    SandboxSpec,
    SandboxUnavailable,
)
from lamina.sandbox._launcher import Launcher

__all__ = [
    "Bind",
    "Exit",
    "Launcher",
    "Limits",
    "Sandbox",
    "SandboxLauncher",
    "SandboxSpec",
    "SandboxUnavailable",
]
