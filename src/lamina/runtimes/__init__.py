"""What runs inside: a bootstrap for each language, and the interpreters of this machine."""

from lamina.runtimes._interface import Runtime, RuntimeUnavailable
from lamina.runtimes._runtimes import Runtimes
from lamina.runtimes._search import SearchPath

__all__ = ["Runtime", "RuntimeUnavailable", "Runtimes", "SearchPath"]
