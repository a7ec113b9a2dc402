"""Numbered migrations, ``state/migrations/NNNN_name.sql``, applied in order when the state is opened."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from lamina.state._errors import StateTooNew

_TABLE = "CREATE TABLE IF NOT EXISTS migrations (number INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step of the schema."""

    number: int
    name: str
    script: str


def load_migrations() -> list[Migration]:
    """The migrations of this version, by number."""
    folder = resources.files("lamina.state").joinpath("migrations")
    files = [file for file in folder.iterdir() if file.name.endswith(".sql")]
    steps = [_migration(file.name, file.read_text("utf-8")) for file in files]
    return sorted(steps, key=lambda step: step.number)


def _migration(file_name: str, script: str) -> Migration:
    number, _, name = file_name.removesuffix(".sql").partition("_")
    return Migration(number=int(number), name=name, script=script)


def migrate(connection: sqlite3.Connection, steps: Sequence[Migration]) -> None:
    """Apply the steps that the database lacks, each as one transaction.

    Raises StateTooNew when the database has steps that are not among ``steps``.
    """
    connection.execute(_TABLE)
    done = {row["number"]: row["name"] for row in connection.execute("SELECT number, name FROM migrations")}
    unknown = [name for number, name in sorted(done.items()) if number not in {step.number for step in steps}]
    if unknown:
        raise StateTooNew(f"the database was made by a newer version of Lamina: it has {', '.join(unknown)}")
    for step in steps:
        if step.number not in done:
            _apply(connection, step)


def _apply(connection: sqlite3.Connection, step: Migration) -> None:
    try:
        connection.executescript(f"BEGIN IMMEDIATE;\n{step.script}")
        connection.execute("INSERT INTO migrations VALUES (?, ?)", (step.number, step.name))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
