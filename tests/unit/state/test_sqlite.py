"""The embedded state: what a transaction promises, and what is said when the files cannot be used."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.state import (
    Reader,
    SqliteState,
    StateCorrupt,
    StateFull,
    StateLocked,
    StateTooNew,
    StateUnwritable,
    Transaction,
)

TAG = {"name": "team", "value": "blue"}


@pytest.fixture(params=["file", "memory"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqliteState]:
    opened = SqliteState.open(tmp_path) if request.param == "file" else SqliteState.in_memory()
    yield opened
    opened.close()


def add_usage(transaction: Transaction, account_id: str = "000000000000", size: int = 1) -> int:
    transaction.run(
        "usage_add", account_id=account_id, region="eu-west-1", functions=1, code_size=size, reserved_concurrency=0
    )
    return transaction.change


def usage(reader: Reader, account_id: str = "000000000000") -> int:
    row = reader.one("usage_one", account_id=account_id, region="eu-west-1")
    return 0 if row is None else int(row["code_size"])


async def test_a_write_is_seen_by_the_next_read(state: SqliteState) -> None:
    await state.write(add_usage)
    assert await state.read(usage) == 1


async def test_each_change_has_a_higher_number(state: SqliteState) -> None:
    numbers = [await state.write(lambda transaction: transaction.change) for _ in range(3)]
    assert numbers == [1, 2, 3]


async def test_concurrent_writes_are_one_after_the_other(state: SqliteState) -> None:
    numbers = await asyncio.gather(*(state.write(add_usage) for _ in range(50)))
    assert sorted(numbers) == list(range(1, 51))
    assert await state.read(usage) == 50


async def test_work_that_raises_changes_nothing(state: SqliteState) -> None:
    def work(transaction: Transaction) -> None:
        add_usage(transaction)
        raise LookupError("no")

    with pytest.raises(LookupError, match=r"no"):
        await state.write(work)
    assert await state.read(usage) == 0
    assert await state.write(lambda transaction: transaction.change) == 1


async def test_a_broken_statement_leaves_the_state_usable(state: SqliteState) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        await state.write(lambda transaction: transaction.run("tag_save", function_id=404, **TAG))
    await state.write(add_usage)
    assert await state.read(usage) == 1


async def test_an_unknown_query_is_a_mistake(state: SqliteState) -> None:
    with pytest.raises(KeyError):
        await state.read(lambda reader: reader.one("no_such_query"))


async def test_a_view_does_not_change_while_others_write(tmp_path: Path) -> None:
    state = SqliteState.open(tmp_path)
    loop = asyncio.get_running_loop()

    def work(reader: Reader) -> tuple[int, int]:
        before = usage(reader)
        asyncio.run_coroutine_threadsafe(state.write(add_usage), loop).result()
        return before, usage(reader)

    assert await state.read(work) == (0, 0)
    state.close()


async def test_what_was_written_is_there_after_another_opening(tmp_path: Path) -> None:
    state = SqliteState.open(tmp_path / "deep" / "data")
    await state.write(add_usage)
    state.close()
    again = SqliteState.open(tmp_path / "deep" / "data")
    assert await again.read(usage) == 1
    assert await again.write(lambda transaction: transaction.change) == 2
    again.close()


async def test_every_commit_is_flushed(tmp_path: Path) -> None:
    state = SqliteState.open(tmp_path)

    def pragmas() -> tuple[str, int, int]:
        connection = state._connection()
        names = ("journal_mode", "synchronous", "foreign_keys")
        return tuple(connection.execute(f"PRAGMA {name}").fetchone()[name] for name in names)  # type: ignore[return-value]

    assert state._writer.submit(pragmas).result() == ("wal", 2, 1)
    state.close()


def test_a_second_opening_is_refused_and_names_the_process(tmp_path: Path) -> None:
    state = SqliteState.open(tmp_path)
    with pytest.raises(StateLocked, match=f"in use by process {os.getpid()}$"):
        SqliteState.open(tmp_path)
    state.close()
    SqliteState.open(tmp_path).close()


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from lamina.state import SqliteState\n"
        "SqliteState.open(Path(sys.argv[1])); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    SqliteState.open(tmp_path).close()


def test_a_file_in_place_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(StateUnwritable, match=r"cannot be used"):
        SqliteState.open(tmp_path / "data")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_the_right_to_write(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StateUnwritable, match=r"Permission denied"):
        SqliteState.open(tmp_path / "data")
    tmp_path.chmod(0o700)


def test_a_database_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "lamina.db").write_text("not a database " * 100)
    with pytest.raises(StateCorrupt, match=r"not a database of Lamina"):
        SqliteState.open(tmp_path)


def test_a_database_that_is_a_directory(tmp_path: Path) -> None:
    (tmp_path / "lamina.db").mkdir()
    with pytest.raises(StateUnwritable):
        SqliteState.open(tmp_path)


async def test_a_damaged_database(tmp_path: Path) -> None:
    state = SqliteState.open(tmp_path)
    for account in range(200):
        await state.write(lambda transaction, account=account: add_usage(transaction, f"{account:012d}"))
    state.close()
    database = tmp_path / "lamina.db"
    content = bytearray(database.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    database.write_bytes(content)
    with pytest.raises(StateCorrupt, match=r"damaged"):
        SqliteState.open(tmp_path)


def test_a_database_of_a_newer_version(tmp_path: Path) -> None:
    SqliteState.open(tmp_path).close()
    with sqlite3.connect(tmp_path / "lamina.db") as connection:
        connection.execute("INSERT INTO migrations VALUES (9999, 'of_the_future')")
    connection.close()
    with pytest.raises(StateTooNew, match=r"newer version of Lamina: it has of_the_future"):
        SqliteState.open(tmp_path)


def test_a_failed_opening_lets_go_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / "lamina.db").write_text("not a database " * 100)
    for _ in range(2):
        with pytest.raises(StateCorrupt):
            SqliteState.open(tmp_path)


async def test_a_full_disk_changes_nothing_and_says_so(tmp_path: Path) -> None:
    state = SqliteState.open(tmp_path)
    await state.write(add_usage)
    state._writer.submit(lambda: state._connection().execute("PRAGMA max_page_count=1")).result()

    def work(transaction: Transaction) -> None:
        for number in range(10_000):
            add_usage(transaction, f"{number:012d}", size=7)

    with pytest.raises(StateFull, match=r"no space is left"):
        await state.write(work)
    assert await state.read(usage) == 1
    state._writer.submit(lambda: state._connection().execute("PRAGMA max_page_count=100000")).result()
    await state.write(add_usage)
    assert await state.read(usage) == 2
    state.close()
