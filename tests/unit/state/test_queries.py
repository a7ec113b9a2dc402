"""The named queries: their form, and that each is one that SQLite can run on the schema."""

from __future__ import annotations

import re
import sqlite3
from importlib import resources

import pytest

from lamina.state._migrations import load_migrations
from lamina.state._queries import load_queries, parse_queries

QUERIES = load_queries()


def test_a_query_is_what_stands_under_its_header() -> None:
    text = "-- name: first\n-- What it is for.\nSELECT 1;\n\n-- name: second\n-- More.\nSELECT\n    2;\n"
    assert list(parse_queries(text)) == [("first", "SELECT 1"), ("second", "SELECT\n    2")]


def test_a_query_without_a_description_is_refused() -> None:
    with pytest.raises(ValueError, match=r"first has no description"):
        list(parse_queries("-- name: first\nSELECT 1;\n"))


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_the_schema_has_all_that_a_query_names(name: str) -> None:
    connection = sqlite3.connect(":memory:")
    for migration in load_migrations():
        connection.executescript(migration.script)
    parameters = dict.fromkeys(re.findall(r":(\w+)", QUERIES[name]))
    connection.execute(f"EXPLAIN {QUERIES[name]}", parameters)
    connection.close()


@pytest.mark.parametrize(
    "name",
    [
        "alias_one",
        "alias_to_version",
        "aliases_page",
        "function_one",
        "functions_page",
        "functions_unfinished",
        "policy_one",
        "tags_all",
        "usage_one",
        "version_of_edition",
        "version_one",
        "versions_page",
    ],
)
def test_no_query_of_a_request_scans_a_table(name: str) -> None:
    connection = sqlite3.connect(":memory:")
    for migration in load_migrations():
        connection.executescript(migration.script)
    parameters = dict.fromkeys(re.findall(r":(\w+)", QUERIES[name]))
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {QUERIES[name]}", parameters)]
    connection.close()
    assert not [step for step in plan if re.match(r"SCAN (?!functions USING INDEX functions_unfinished)", step)]


def test_migrations_are_numbered_without_gaps() -> None:
    assert [step.number for step in load_migrations()] == list(range(1, len(load_migrations()) + 1))


def test_every_sql_file_has_queries() -> None:
    files = [file for file in resources.files("lamina.state").joinpath("sql").iterdir() if file.name.endswith(".sql")]
    assert all(list(parse_queries(file.read_text())) for file in files)
