"""What the demo prints."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table


class Report:
    """The steps of the demo with the time of each."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._steps: list[tuple[str, float]] = []

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time one step."""
        self._console.print(f"[dim]{name} …[/]", highlight=False)
        began = time.perf_counter()
        yield
        self._steps.append((name, time.perf_counter() - began))

    def say(self, text: str) -> None:
        """Print a result."""
        self._console.print(f"  [bold]{text}[/]", highlight=False)

    def table(self) -> None:
        """Print all steps with their times."""
        table = Table("step", "time")
        table.columns[1].justify = "right"
        for name, seconds in self._steps:
            table.add_row(name, f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms")
        self._console.print(table)
