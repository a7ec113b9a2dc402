"""Migrations: once each, in order, each whole or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from lamina.state import StateTooNew
from lamina.state._migrations import Migration, migrate

FIRST = Migration(number=1, name="first", script="CREATE TABLE one (x TEXT);")
SECOND = Migration(number=2, name="second", script="INSERT INTO one VALUES ('a');")
BROKEN = Migration(number=3, name="broken", script="INSERT INTO one VALUES ('b'); SELECT nonsense;")


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    opened = sqlite3.connect(":memory:", isolation_level=None)
    opened.row_factory = sqlite3.Row
    yield opened
    opened.close()


def rows(connection: sqlite3.Connection) -> list[str]:
    return [row["x"] for row in connection.execute("SELECT x FROM one")]


def test_each_step_is_done_once(connection: sqlite3.Connection) -> None:
    migrate(connection, [FIRST])
    migrate(connection, [FIRST, SECOND])
    migrate(connection, [FIRST, SECOND])
    assert rows(connection) == ["a"]


def test_a_step_that_fails_is_undone_and_the_ones_before_stay(connection: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, [FIRST, SECOND, BROKEN])
    assert rows(connection) == ["a"]
    migrate(connection, [FIRST, SECOND])


def test_a_step_that_nobody_knows_is_of_a_newer_version(connection: sqlite3.Connection) -> None:
    migrate(connection, [FIRST, SECOND])
    with pytest.raises(StateTooNew, match=r"second"):
        migrate(connection, [FIRST])
