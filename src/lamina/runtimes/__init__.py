"""What runs inside: a bootstrap for each language, and the interpreters of this machine."""

from lamina.runtimes._choices import Choice, ChoicesError, write_choice
from lamina.runtimes._interface import Runtime, RuntimeImage, RuntimeUnavailable
from lamina.runtimes._runtimes import Runtimes
from lamina.runtimes._search import SearchPath

__all__ = [
    "Choice",
    "ChoicesError",
    "Runtime",
    "RuntimeImage",
    "RuntimeUnavailable",
    "Runtimes",
    "SearchPath",
    "write_choice",
]
