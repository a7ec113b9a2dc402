"""Code that came in the request."""

from __future__ import annotations

from dataclasses import dataclass, field

from lamina.deploy._interface import Code, Order, Rooms
from lamina.deploy._step import Steps
from lamina.deploy._zip import take_zip

INLINE_BYTES = 52_428_800


@dataclass(frozen=True, slots=True)
class InlineZip:
    """A zip that came in the request. AWS takes at most 50 MiB this way (Lambda quotas)."""

    data: bytes = field(repr=False)

    @property
    def origin(self) -> str:
        """See ``Source.origin``."""
        return "inline"

    async def obtain(self, order: Order, rooms: Rooms, step: Steps) -> Code:
        """See ``Source.obtain``."""
        return await take_zip(self.data, INLINE_BYTES, order, rooms, step)
