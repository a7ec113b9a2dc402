"""The embedded form of the state: SQLite in WAL mode, every commit on the disk."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self, TypeVar

from lamina.state._errors import StateError, StateUnwritable, state_error
from lamina.state._interface import Reader, Row, Transaction
from lamina.state._lock import DirectoryLock
from lamina.state._migrations import load_migrations, migrate
from lamina.state._queries import load_queries

T = TypeVar("T")

_READERS = 2
_STATEMENTS = 256
_FILE = "lamina.db"
_MEMORY = ":memory:"


class _View:
    """Named queries on one connection, inside one transaction."""

    def __init__(self, connection: sqlite3.Connection, queries: Mapping[str, str]) -> None:
        self._connection = connection
        self._queries = queries

    def one(self, query: str, /, **parameters: Any) -> Row | None:
        row: Row | None = self._connection.execute(self._queries[query], parameters).fetchone()
        return row

    def all(self, query: str, /, **parameters: Any) -> list[Row]:
        return self._connection.execute(self._queries[query], parameters).fetchall()


class _Change(_View):
    """A view that may change rows."""

    change: int = 0

    def run(self, query: str, /, **parameters: Any) -> int:
        return self._connection.execute(self._queries[query], parameters).rowcount

    def take_number(self) -> None:
        self.run("change_next")
        row = self.one("change_current")
        self.change = row["number"] if row else 0


class SqliteState:
    """The state in one SQLite file of a data directory, or in memory for tests.

    One thread writes and two read, each with a connection of its own; in memory one thread does all.
    """

    def __init__(self, path: str, lock: DirectoryLock | None) -> None:
        self._path = path
        self._lock = lock
        self._queries = load_queries()
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._writer = ThreadPoolExecutor(1, "state-writer")
        self._readers = self._writer if path == _MEMORY else ThreadPoolExecutor(_READERS, "state-reader")
        try:
            self._writer.submit(self._migrate).result()
        except BaseException:
            self._stop()
            raise

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Take the data directory for this process, make or migrate its database, and be ready.

        Raises StateLocked, StateUnwritable, StateCorrupt, StateTooNew or StateFull.
        """
        lock = DirectoryLock(directory)
        try:
            return cls(str(directory / _FILE), lock)
        except OSError as error:
            lock.release()
            raise StateUnwritable(f"the data directory {directory} cannot be used: {error}") from error
        except BaseException:
            lock.release()
            raise

    @classmethod
    def in_memory(cls) -> Self:
        """A state that is gone when it is closed: the twin for unit tests."""
        return cls(_MEMORY, None)

    def _migrate(self) -> None:
        with self._clear_errors():
            migrate(self._connection(), load_migrations())

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """See ``State.write``."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._write, work)

    async def read(self, work: Callable[[Reader], T]) -> T:
        """See ``State.read``."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    def close(self) -> None:
        """See ``State.close``."""
        self._stop()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _stop(self) -> None:
        self._readers.shutdown()
        self._writer.shutdown()
        for connection in self._connections:
            # A full disk can refuse the checkpoint at the close; the log has everything and is read at the next open.
            with suppress(sqlite3.Error):
                connection.close()
        self._connections.clear()

    def _write(self, work: Callable[[Transaction], T]) -> T:
        with self._clear_errors(), _transaction(self._connection(), "BEGIN IMMEDIATE") as connection:
            change = _Change(connection, self._queries)
            change.take_number()
            return work(change)

    def _read(self, work: Callable[[Reader], T]) -> T:
        with self._clear_errors(), _transaction(self._connection(), "BEGIN") as connection:
            return work(_View(connection, self._queries))

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = _connect(self._path)
            self._connections.append(connection)
        return connection

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            clear: StateError | None = state_error(error, self._path)
            if clear is None:
                raise
            raise clear from error


def _connect(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS)
    connection.row_factory = _row
    try:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000"):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def _row(cursor: sqlite3.Cursor, values: tuple[Any, ...]) -> Row:
    return {column[0]: value for column, value in zip(cursor.description, values, strict=True)}


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[sqlite3.Connection]:
    connection.execute(begin)
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        # SQLite has rolled back by itself after some errors, such as a full disk.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
