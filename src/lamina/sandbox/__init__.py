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

__all__ = ["Bind", "Exit", "Limits", "Sandbox", "SandboxLauncher", "SandboxSpec", "SandboxUnavailable"]
