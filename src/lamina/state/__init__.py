"""SQL state: one writer thread, reader threads, named queries, numbered migrations.

StateError                      the state cannot be used
├── StateLocked                 another process has the data directory
├── StateUnwritable             the data directory cannot be written
├── StateCorrupt                the database is damaged or no database
├── StateTooNew                 the database was made by a newer Lamina
└── StateFull                   the disk is full; nothing was changed
"""

from __future__ import annotations

from lamina.state._errors import (
    StateCorrupt,
    StateError,
    StateFull,
    StateLocked,
    StateTooNew,
    StateUnwritable,
)
from lamina.state._interface import Reader, Row, State, Transaction
from lamina.state._sqlite import SqliteState

__all__ = [
    "Reader",
    "Row",
    "SqliteState",
    "State",
    "StateCorrupt",
    "StateError",
    "StateFull",
    "StateLocked",
    "StateTooNew",
    "StateUnwritable",
    "Transaction",
]
