"""From method and path to an operation: a tree of path segments, made once from the model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote_to_bytes

from lamina.errors import UnknownOperationException
from lamina.http._model import Operation

_MOST_SEGMENTS = 32


class Match(NamedTuple):
    """The operation that a request names, and the decoded parameters of its path."""

    operation: Operation
    path_parameters: dict[str, str]


@dataclass(slots=True)
class _Node:
    literals: dict[bytes, _Node] = field(default_factory=dict)
    label: _Node | None = None
    is_greedy: bool = False
    operations: dict[str, list[tuple[Operation, tuple[str, ...]]]] = field(default_factory=dict)


class Router:
    """Finds operations; a look-up costs a few dictionary accesses, whatever the number of operations."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._root = _Node()
        for operation in operations:
            self._add(operation)

    def route(self, method: str, raw_path: bytes, query_string: bytes = b"") -> Match:
        """The operation of a request; ``raw_path`` as it was sent, percent-encoded.

        A trailing slash changes nothing. A label is one segment; an ARN may also come with its slashes not encoded.
        Raises UnknownOperationException, for a known path with another method too.
        """
        segments = raw_path.strip(b"/").split(b"/")
        if len(segments) <= _MOST_SEGMENTS:
            for node, values in _walk(self._root, segments, 0):
                for operation, labels in node.operations.get(method, ()):
                    if not operation.fixed_query or operation.fixed_query <= _parameters(query_string):
                        return Match(operation, dict(zip(labels, map(_decoded, values), strict=True)))
        shown = raw_path.decode("utf-8", "replace")
        raise UnknownOperationException(f"Unable to determine the operation of {method} {shown}")

    def _add(self, operation: Operation) -> None:
        node, labels = self._root, []
        for segment in operation.path.strip("/").split("/"):
            if segment.startswith("{"):
                name = segment.strip("{}")
                labels.append(name.rstrip("+"))
                node.label = node.label or _Node()
                node = node.label
                node.is_greedy = node.is_greedy or name.endswith("+")
            else:
                node = node.literals.setdefault(segment.encode(), _Node())
        candidates = node.operations.setdefault(operation.method, [])
        candidates.append((operation, tuple(labels)))
        candidates.sort(key=lambda candidate: -len(candidate[0].fixed_query))


def _walk(node: _Node, segments: list[bytes], start: int) -> Iterator[tuple[_Node, tuple[bytes, ...]]]:
    """All nodes that the path can mean, the most literal first, with what their labels hold."""
    if start == len(segments):
        yield node, ()
        return
    literal = node.literals.get(segments[start])
    if literal is not None:
        yield from _walk(literal, segments, start + 1)
    label = node.label
    if label is None or not segments[start]:
        return
    longest = len(segments) if label.is_greedy or segments[start][:3] == b"arn" else start + 1
    for end in range(start + 1, longest + 1):
        value = b"/".join(segments[start:end])
        for found, values in _walk(label, segments, end):
            yield found, (value, *values)


def _parameters(query_string: bytes) -> set[tuple[str, str]]:
    return set(parse_qsl(query_string.decode("latin-1"), keep_blank_values=True))


def _decoded(value: bytes) -> str:
    if b"%" in value:
        value = unquote_to_bytes(value)
    return value.decode("utf-8", "replace")
