"""Named queries: every ``.sql`` file of ``state/sql``, each query under a header of comments.

-- name: alias_one
-- One alias of a function.
SELECT ...;
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import resources

_HEADER = "-- name: "


def load_queries() -> Mapping[str, str]:
    """All queries by name. A name that is given twice is a mistake and raises ValueError."""
    queries: dict[str, str] = {}
    for file in sorted(resources.files("lamina.state").joinpath("sql").iterdir(), key=lambda file: file.name):
        if not file.name.endswith(".sql"):
            continue
        for name, query in parse_queries(file.read_text("utf-8")):
            if name in queries:
                raise ValueError(f"query {name} of {file.name} exists already")
            queries[name] = query
    return queries


def parse_queries(text: str) -> Iterator[tuple[str, str]]:
    """The queries of one file as (name, SQL without the header)."""
    for part in ("\n" + text).split("\n" + _HEADER)[1:]:
        name, _, body = part.partition("\n")
        lines = body.splitlines()
        if not lines or not lines[0].startswith("-- "):
            raise ValueError(f"query {name} has no description")
        query = "\n".join(line for line in lines if not line.startswith("--")).strip()
        yield name.strip(), query.removesuffix(";")
