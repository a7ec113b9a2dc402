"""P8: 1,000 updates under 32 callers: none fails because of an update, and none gets old code after ``Successful``."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import _image
from bench._bed import Bed
from bench._cutover import FLAGS, Site, run
from bench._result import Result
from demo._service import Service

_UPDATES = 1000


def measure(_bed: Bed) -> Result:
    """Updates from zips, S3 and images by turns, on a service of their own."""
    with _site() as site:
        outcome = run(site, _UPDATES)
        images = site.registry is not None
    print(f"P8 before: {outcome.before}\nP8 after:  {outcome.after}")
    tally = outcome.tally
    for told in tally.told:
        print(f"P8: {told}")
    return Result(
        promise="P8",
        what=f"{outcome.updates:,} updates{'' if images else ' (without images)'} under {tally.calls:,} invocations by "
        f"32 callers: {tally.failed} failed, {tally.stale} stale; the longest took {tally.longest * 1000:,.0f} ms",
        value=outcome.rate,
        floor=outcome.quiet,
        floor_name="nobody calls",
        unit="updates/s",
        limit="0 failed, 0 stale, nothing leaked",
        met=not tally.failed and not tally.stale and not outcome.after.grown_since(outcome.before),
    )


@contextmanager
def _site() -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="lamina-bench-") as folder:
        data = Path(folder) / "data"
        registry, push = _registry(Path(folder) / "registry")
        service = Service(data, *FLAGS)
        try:
            yield Site(address=service.address, pid=service.pid, data=data, registry=registry, push=push)
        finally:
            service.stop()
            if registry is not None:
                registry.stop()


def _registry(folder: Path) -> tuple[Any, Any]:
    """The registry of the tests, where this machine has one and can make an image for it."""
    made: Any = importlib.import_module("tests._registry")
    if made.PROGRAM is None or not _image.can_be_made():
        return None, None
    return made.Registry(folder), made.push
