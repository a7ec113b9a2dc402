from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lamina.observe import LogLimits, LogStore, LogStream

Make = Callable[..., LogStore]


@pytest.fixture
def make_store(tmp_path: Path) -> Iterator[Make]:
    """Opens stores on one folder, each with limits of its own; they are closed at the end."""
    stores: list[LogStore] = []

    def make(**limits: Any) -> LogStore:
        stores.append(LogStore(tmp_path / "logs", limits=LogLimits(**limits)))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def store(make_store: Make) -> LogStore:
    return make_store()


def opened(store: LogStore, stream: str = "s", group: str = "g") -> LogStream:
    return store.open("123456789012", "eu-west-1", group, stream)


def messages(store: LogStore, group: str = "g", **wanted: Any) -> list[str]:
    page = store.events("123456789012", "eu-west-1", group, **wanted)
    return [event.message for event in page.events]
