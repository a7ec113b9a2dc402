"""Environment variables under keys."""

from __future__ import annotations

import pytest

from lamina.errors import KMSDisabledException
from lamina.state import Reader
from tests.unit.functions.world import World

KEY = "arn:aws:kms:eu-west-1:123456789012:key/1"
OTHER = "arn:aws:kms:eu-west-1:123456789012:key/2"
SECRET = {"Variables": {"TOKEN": "secret"}}


async def stored(world: World) -> str:
    def work(reader: Reader) -> str:
        row = reader.one("function_one", account_id="123456789012", region="eu-west-1", name="f")
        assert row is not None
        return str(row["shown"])

    return await world.state.read(work)


async def test_they_are_sealed_under_the_functions_key(world: World) -> None:
    created = await world.create(Environment=SECRET, KMSKeyArn=KEY)
    assert (created["Environment"], created["KMSKeyArn"]) == (SECRET, KEY)
    assert KEY in await stored(world)


async def test_a_new_key_alone_seals_them_again(world: World) -> None:
    await world.create(Environment=SECRET, KMSKeyArn=KEY)
    await world.configure(KMSKeyArn=OTHER)
    assert KEY not in await stored(world)
    assert (await world.get())["Environment"] == SECRET


async def test_no_key_any_more(world: World) -> None:
    await world.create(Environment=SECRET, KMSKeyArn=KEY)
    updated = await world.configure(KMSKeyArn="")
    assert "KMSKeyArn" not in updated
    world.secrets.disabled = {KEY}
    assert (await world.get())["Environment"] == SECRET


async def test_a_key_that_cannot_be_used_refuses_the_update(world: World) -> None:
    await world.create(Environment=SECRET)
    before = await world.get()
    world.secrets.disabled = {KEY}
    with pytest.raises(KMSDisabledException):
        await world.configure(KMSKeyArn=KEY)
    assert await world.get() == before


async def test_what_cannot_be_opened_is_shown_as_an_error(world: World) -> None:
    await world.create(Environment=SECRET, KMSKeyArn=KEY)
    world.secrets.disabled = {KEY}
    error = {"Error": {"ErrorCode": "KMSDisabledException", "Message": f"{KEY} is disabled."}}
    assert (await world.get())["Environment"] == error
    assert (await world.begin("GetFunction", FunctionName="f"))["Configuration"]["Environment"] == error
    assert (await world.begin("ListFunctions"))["Functions"][0]["Environment"] == error
    assert (await world.begin("ListVersionsByFunction", FunctionName="f"))["Versions"][0]["Environment"] == error


async def test_variables_of_version_0_1(world: World) -> None:
    """They were stored as they are; the seal is asked to open the JSON document itself."""
    await world.create(Environment=SECRET)
    document = (await stored(world)).replace('"environment":"', '"environment":{"A":"b"},"description":"')
    from lamina.functions._store import _load

    assert _load(document).environment == '{"A":"b"}'
