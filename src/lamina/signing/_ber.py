"""Reading BER (ITU-T X.690) that a stranger wrote: indefinite lengths are understood, and nothing is believed.

The whole is read once into a tree of slices. Depth and number of elements are bounded, so time and memory are too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

_DEEPEST = 32
_MOST = 16_384
_CONSTRUCTED = 0x20
_TIME = re.compile(rb"(\d{14})(?:\.(\d{1,6}))?Z")


class BadEncoding(Exception):
    """The bytes are not BER, or not what is expected in their place; the message says where."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element. ``raw`` is all of it, ``body`` what it holds; ``children`` are None when it is primitive."""

    tag: int
    raw: memoryview
    body: memoryview
    children: tuple[Element, ...] | None
    is_definite: bool

    def inside(self, tag: int) -> tuple[Element, ...]:
        """What a constructed element of this tag holds. Raises ``BadEncoding`` for anything else."""
        if self.tag != tag or self.children is None:
            raise BadEncoding(f"tag {self.tag:#04x} where {tag:#04x} belongs")
        return self.children

    def value(self, tag: int) -> bytes:
        """The content of a primitive element of this tag. Raises ``BadEncoding`` for anything else."""
        if self.tag != tag or self.children is not None:
            raise BadEncoding(f"tag {self.tag:#04x} where {tag:#04x} belongs")
        return bytes(self.body)


def read(data: bytes) -> Element:
    """The one element that is all of ``data``. Raises ``BadEncoding``."""
    view = memoryview(data)
    element, end = _Reader(view).element(0, len(view), 0)
    if end != len(view):
        raise BadEncoding(f"{len(view) - end} bytes after the end")
    return element


def dotted(value: bytes) -> str:
    """An object identifier, from its content octets."""
    if not value or value[-1] & 0x80 or len(value) > 64:
        raise BadEncoding("no object identifier")
    arcs, arc = [], 0
    for octet in value:
        arc = arc << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def moment(value: bytes) -> datetime:
    """A GeneralizedTime in UTC, from its content octets."""
    match = _TIME.fullmatch(value)
    if match is None:
        raise BadEncoding("no time in UTC")
    try:
        seconds = datetime.strptime(match[1].decode(), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        raise BadEncoding("no such time") from None
    return seconds.replace(microsecond=int((match[2] or b"").ljust(6, b"0")))


def only(elements: Sequence[Element], what: str) -> Element:
    """The one element of a row. Raises ``BadEncoding`` when there are none or more."""
    if len(elements) != 1:
        raise BadEncoding(f"{len(elements)} elements as {what}")
    return elements[0]


class _Reader:
    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._count = 0

    def element(self, at: int, end: int, depth: int) -> tuple[Element, int]:
        """The element at ``at``, and where the next one starts."""
        self._count += 1
        if depth > _DEEPEST or self._count > _MOST:
            raise BadEncoding("too many elements, or too deep")
        if end - at < 2:
            raise BadEncoding(f"cut off at {at}")
        tag, start = self._data[at], at + 2
        if tag & 0x1F == 0x1F or tag == 0:
            raise BadEncoding(f"tag {tag:#04x} at {at}")
        if (first := self._data[at + 1]) == 0x80:
            return self._indefinite(tag, at, end, depth)
        if first & 0x80:
            start += first & 0x7F
            if start > min(end, at + 6):
                raise BadEncoding(f"the length at {at} is too long")
        size = int.from_bytes(self._data[at + 2 : start], "big") if first & 0x80 else first
        if size > end - start:
            raise BadEncoding(f"the element at {at} ends beyond what holds it")
        stop = start + size
        children = self._children(start, stop, depth) if tag & _CONSTRUCTED else None
        return Element(tag, self._data[at:stop], self._data[start:stop], children, is_definite=True), stop

    def _children(self, at: int, end: int, depth: int) -> tuple[Element, ...]:
        children = []
        while at < end:
            child, at = self.element(at, end, depth + 1)
            children.append(child)
        return tuple(children)

    def _indefinite(self, tag: int, at: int, end: int, depth: int) -> tuple[Element, int]:
        if not tag & _CONSTRUCTED:
            raise BadEncoding(f"a primitive element without a length at {at}")
        children, here = [], at + 2
        while bytes(self._data[here : min(here + 2, end)]) != b"\0\0":
            child, here = self.element(here, end, depth + 1)
            children.append(child)
        return Element(tag, self._data[at : here + 2], self._data[at + 2 : here], tuple(children), False), here + 2
