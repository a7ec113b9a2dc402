from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from lamina.state import SqliteState
from tests.unit.functions.world import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """An empty control plane with a state in memory."""
    state = SqliteState.in_memory()
    made = World(state)
    yield made
    made.cutover.release()
    await made.functions.deployments.idle()
    state.close()


@pytest.fixture
async def function(world: World) -> World:
    """The same with the function ``f``."""
    await world.create()
    return world
