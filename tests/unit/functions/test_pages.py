"""Lists in pages."""

from __future__ import annotations

from typing import Any

import pytest

from lamina.errors import InvalidParameterValueException, ValidationException
from tests.unit.functions.world import World


async def pages(world: World, operation: str, member: str, name: str, **params: Any) -> list[list[str]]:
    found, marker = [], None
    while True:
        answer = await world.begin(operation, **params, **({"Marker": marker} if marker else {}))
        found.append([entry[name] for entry in answer[member]])
        marker = answer.get("NextMarker")
        if marker is None:
            return found


@pytest.fixture
async def full(world: World) -> World:
    """Three functions, the second with versions 1 to 3 and the aliases a to d."""
    for name in ("f1", "f2", "f3"):
        await world.create(name)
    for _ in range(3):
        await world.update("f2", Publish=True)
    for alias in "abcd":
        await world.do("CreateAlias", FunctionName="f2", Name=alias, FunctionVersion="1")
    return world


async def test_functions(full: World) -> None:
    assert await pages(full, "ListFunctions", "Functions", "FunctionName", MaxItems=2) == [["f1", "f2"], ["f3"]]
    assert await pages(full, "ListFunctions", "Functions", "FunctionName", MaxItems=3) == [["f1", "f2", "f3"]]


async def test_versions(full: World) -> None:
    found = await pages(full, "ListVersionsByFunction", "Versions", "Version", FunctionName="f2", MaxItems=3)
    assert found == [["$LATEST", "1", "2"], ["3"]]


@pytest.mark.parametrize("version", [{}, {"FunctionVersion": "1"}])
async def test_aliases(full: World, version: dict[str, str]) -> None:
    found = await pages(full, "ListAliases", "Aliases", "Name", FunctionName="f2", MaxItems=3, **version)
    assert found == [["a", "b", "c"], ["d"]]


@pytest.mark.parametrize("size", range(1, 8))
async def test_all_versions_of_all_functions(full: World, size: int) -> None:
    found = await pages(full, "ListFunctions", "Functions", "FunctionArn", FunctionVersion="ALL", MaxItems=size)
    entries = [arn.split("function:")[1] for page in found for arn in page]
    assert entries == ["f1:$LATEST", "f2:$LATEST", "f2:1", "f2:2", "f2:3", "f3:$LATEST"]
    assert all(len(page) == size for page in found[:-1])


async def test_what_is_deleted_between_two_pages(full: World) -> None:
    params = {"FunctionVersion": "ALL", "MaxItems": 4}
    marker = (await full.begin("ListFunctions", **params))["NextMarker"]
    await full.do("DeleteAlias", FunctionName="f2", Name="a")
    await full.do("DeleteFunction", FunctionName="f2", Qualifier="3")
    answer = await full.begin("ListFunctions", **params, Marker=marker)
    assert [entry["FunctionName"] for entry in answer["Functions"]] == ["f3"]


async def test_fifty_at_most(world: World) -> None:
    for number in range(51):
        await world.create(f"f{number:02d}")
    assert [len(page) for page in await pages(world, "ListFunctions", "Functions", "FunctionName")] == [50, 1]
    found = await pages(world, "ListFunctions", "Functions", "FunctionName", MaxItems=10000)
    assert [len(page) for page in found] == [50, 1]


@pytest.mark.parametrize("size", [0, -1, 10001])
async def test_sizes_that_are_refused(world: World, size: int) -> None:
    with pytest.raises(ValidationException, match=f"^1 validation error detected: Value '{size}' at 'maxItems'"):
        await world.begin("ListFunctions", MaxItems=size)


@pytest.mark.parametrize(
    "marker",
    [
        "x",
        "é",
        "////",
        "W10=",
        "WyJmdW5jdGlvbnMiLDFd",
        "WyJmdW5jdGlvbnMiLHt9XQ==",
        "bnVsbA==",
        "eyJhIjogMX0=",
        "A" * 5000,
    ],
)
async def test_markers_that_nobody_gave(full: World, marker: str) -> None:
    with pytest.raises(InvalidParameterValueException, match=r"^The provided Marker is invalid\.$"):
        await full.begin("ListFunctions", Marker=marker)


async def test_a_marker_of_another_list(full: World) -> None:
    marker = (await full.begin("ListAliases", FunctionName="f2", MaxItems=1))["NextMarker"]
    for operation in ("ListFunctions", "ListVersionsByFunction", "ListAliases"):
        with pytest.raises(InvalidParameterValueException):
            await full.begin(operation, FunctionName="f1", Marker=marker)


@pytest.mark.parametrize("number", [b"-1", b"18446744073709551615", b"4294967296", b"1.5", b"true", b'"1"'])
async def test_a_marker_with_an_impossible_number(full: World, number: bytes) -> None:
    from base64 import urlsafe_b64encode

    marker = urlsafe_b64encode(b'["versions f2",' + number + b"]").decode()
    with pytest.raises(InvalidParameterValueException):
        await full.begin("ListVersionsByFunction", FunctionName="f2", Marker=marker)
