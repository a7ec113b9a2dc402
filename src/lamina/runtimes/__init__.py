"""What runs inside: a bootstrap for each language, and the interpreters of this machine."""

from lamina.runtimes._interface import Runtime, RuntimeUnavailable

__all__ = ["Runtime", "RuntimeUnavailable"]
