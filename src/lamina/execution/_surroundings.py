"""What an environment finds beside its Runtime API: the API of the server, and keys for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lamina.functions import LiveVersion

Connect = Callable[[Callable[[], None]], asyncio.Protocol]
"""Makes the protocol that answers one connection from inside; it calls what it is given when the connection is lost."""

# Where a sandbox has the gateway; the launcher renames it where there is no isolation.
_ENDPOINT = "http://127.0.0.1:4566"


def _none(_live: LiveVersion) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The network of every environment (``SandboxSpec.network``), who answers at its gateway, and its credentials.

    ``credentials`` makes the variables of one new environment.
    """

    network: str = "none"
    connect: Connect | None = None
    credentials: Callable[[LiveVersion], Mapping[str, str]] = _none

    @property
    def defaults(self) -> dict[str, str]:
        """Variables that a function, or its image, may set otherwise."""
        return {} if self.connect is None else {"AWS_ENDPOINT_URL": _ENDPOINT}
