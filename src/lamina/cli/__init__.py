"""The command line: ``lamina``."""

from lamina.cli._main import main

__all__ = ["main"]
