"""What a benchmark says."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One promise, what was measured, and the floor of the same run. ``unit`` is that of both.

    ``ratio`` is value by floor; ``met`` says whether the promise holds in this run.
    """

    promise: str
    what: str
    value: float
    floor: float
    floor_name: str
    unit: str
    limit: str
    met: bool
    spread: str = ""

    @property
    def ratio(self) -> float:
        """The value as a multiple of the floor."""
        return self.value / self.floor


def median(samples: Sequence[float]) -> float:
    """The median."""
    return statistics.median(samples)


def spread(samples: Sequence[float]) -> str:
    """The tenth and the ninetieth percentile."""
    deciles = statistics.quantiles(samples, n=10)
    return f"{deciles[0]:.3g}-{deciles[-1]:.3g}"
