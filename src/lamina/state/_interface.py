"""The contract of the state store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

Row = dict[str, Any]


class Reader(Protocol):
    """One consistent view of the state. Valid only inside the work that it was given to."""

    def one(self, query: str, /, **parameters: Any) -> Row | None:
        """The first row of a named query, or None."""

    def all(self, query: str, /, **parameters: Any) -> list[Row]:
        """All rows of a named query."""


class Transaction(Reader, Protocol):
    """One change of the state: everything in it is committed, or nothing.

    ``change`` is the number of this change: each change has a higher one than all before it.
    """

    @property
    def change(self) -> int: ...

    def run(self, query: str, /, **parameters: Any) -> int:
        """Execute a named query that changes rows; the number of rows changed."""


class State(Protocol):
    """Durable state with one writer.

    ``work`` is a plain function over the transaction. It runs in a thread of the store, so it neither awaits nor
    touches what belongs to the event loop, and it is brief, because all other writers wait for it. What it raises
    rolls the transaction back and is raised to the caller unchanged.
    """

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` as one transaction, alone; when this returns the change is on the disk.

        Raises StateFull when the disk is full and other StateErrors when the store fails; nothing is changed then.
        """

    async def read(self, work: Callable[[Reader], T]) -> T:
        """Run ``work`` over a view that has every change whose ``write`` has returned."""

    def close(self) -> None:
        """Wait for the work under way, then let go of the files."""
