from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lamina.signing import Authority
from lamina.state import SqliteState
from tests.unit.signing.world import Signer


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority for tests that only sign."""
    return Authority(tmp_path_factory.mktemp("signing"))


@pytest.fixture
async def signer(tmp_path: Path) -> AsyncIterator[Signer]:
    state = SqliteState.in_memory()
    made = Signer(state, tmp_path / "signing")
    yield made
    await made.api.close()
    state.close()
