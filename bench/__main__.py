"""``make bench``: all benchmarks, or those that are named; a table, and JSON in ``bench/results``."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import (
    p1_warm,
    p2_lean,
    p2_throughput,
    p3_cold,
    p5_update,
    p6_large,
    p7_identical,
    p8_cutover,
    p9_files,
    snapstart,
)
from bench._bed import bed
from bench._result import Result

BENCHMARKS = {
    "P1": p1_warm.measure,
    "P2": p2_throughput.measure,
    "P2LEAN": p2_lean.measure,
    "P3": p3_cold.measure,
    "P5": p5_update.measure,
    "P6": p6_large.measure,
    "P7": p7_identical.measure,
    "P8": p8_cutover.measure,
    "P9": p9_files.measure,
    "SNAPSTART": snapstart.measure,
}


def main() -> None:
    """Measure and print."""
    names = [name.upper() for name in sys.argv[1:]] or list(BENCHMARKS)
    results = []
    for name in names:
        with bed() as servers:
            results.append(BENCHMARKS[name](servers))
    Console().print(_table(results))
    _save(results)


def _table(results: list[Result]) -> Table:
    table = Table("", "what", "measured", "p10-p90", "floor", "ratio", "promise", "met")
    for each in results:
        table.add_row(
            each.promise,
            each.what,
            f"{each.value:,.3g} {each.unit}",
            each.spread,
            f"{each.floor:,.3g} {each.unit}: {each.floor_name}",
            f"{each.ratio:.2f} ×",
            each.limit,
            "yes" if each.met else "NO",
        )
    return table


def _save(results: list[Result]) -> None:
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    report = {
        "time": now.isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "results": [{**asdict(each), "ratio": each.ratio} for each in results],
    }
    (folder / f"{now:%Y%m%dT%H%M%SZ}.json").write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
