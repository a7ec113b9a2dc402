"""What can be wrong with the state, in words for the person who runs the server."""

from __future__ import annotations

import sqlite3
from pathlib import Path


class StateError(Exception):
    """The state cannot be used; the message says why in one line."""


class StateLocked(StateError):
    """Another process has the data directory."""


class StateUnwritable(StateError):
    """The data directory cannot be made, read or written."""


class StateCorrupt(StateError):
    """The database is damaged, or the file is no database."""


class StateTooNew(StateError):
    """The database has migrations that this version of Lamina does not know."""


class StateFull(StateError):
    """The disk is full. The transaction was rolled back."""


_BY_CODE: dict[int, tuple[type[StateError], str]] = {
    sqlite3.SQLITE_FULL: (StateFull, "no space is left on the disk of {path}"),
    sqlite3.SQLITE_CORRUPT: (StateCorrupt, "the database {path} is damaged"),
    sqlite3.SQLITE_NOTADB: (StateCorrupt, "{path} is not a database of Lamina"),
    sqlite3.SQLITE_READONLY: (StateUnwritable, "the database {path} cannot be written"),
    sqlite3.SQLITE_CANTOPEN: (StateUnwritable, "the database {path} cannot be opened"),
    sqlite3.SQLITE_PERM: (StateUnwritable, "the database {path} may not be opened"),
    sqlite3.SQLITE_IOERR: (StateUnwritable, "reading or writing the database {path} failed"),
}


def state_error(error: sqlite3.Error, path: Path | str) -> StateError | None:
    """The clear form of an SQLite error, or None for one that is a mistake in the program."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return None
    # An extended code has the primary one in its low byte.
    kind = _BY_CODE.get(code & 0xFF)
    return kind[0](f"{kind[1].format(path=path)}: {error}") if kind else None
