"""A KMS without a server: its operations as a client calls them, and a clock that can be moved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from lamina.functions import Call
from lamina.kms import EmbeddedKms, KeyStore, KeyUser, KmsApi, MasterKey, Vault
from lamina.state import SqliteState

ACCOUNT = "123456789012"
OTHER_ACCOUNT = "210987654321"
REGION = "eu-west-1"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/worker"
USER = KeyUser(account_id=ACCOUNT, region=REGION, principal=ROLE)
DAY_MS = 86_400_000


def call_of(account_id: str = ACCOUNT, region: str = REGION) -> Call:
    return Call(account_id=account_id, region=region, request_id="r", access_key_id="test", base_url="http://localhost")


class World:
    """One KMS in memory; ``now_ms`` is its clock."""

    def __init__(self) -> None:
        self.now_ms = 1_700_000_000_000
        self.state = SqliteState.in_memory()
        self.master = MasterKey(bytes(range(32)))
        self.store = KeyStore(self.state, self.master, lambda: self.now_ms)
        self.keys = EmbeddedKms(self.store)
        self.vault = Vault(self.master, self.keys)
        self.operations = KmsApi(self.store).operations()

    async def __call__(self, operation: str, call: Call | None = None, **params: Any) -> Mapping[str, Any]:
        """Run an operation of the API."""
        return await self.operations[operation](call or call_of(), params)

    async def key(self, **params: Any) -> str:
        """The ARN of a new key."""
        arn: str = (await self("CreateKey", **params))["KeyMetadata"]["Arn"]
        return arn


@pytest.fixture
def kms() -> Iterator[World]:
    world = World()
    yield world
    world.state.close()
