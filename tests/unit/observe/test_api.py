from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from lamina.errors import InvalidParameterException, ResourceNotFoundException, ServiceError
from lamina.functions import Call
from lamina.observe import LogsApi, LogStore
from tests.unit.observe.conftest import opened

CALL = Call(
    account_id="123456789012", region="eu-west-1", request_id="r", access_key_id="k", base_url="http://127.0.0.1"
)
GROUP = {"logGroupName": "g"}


@pytest.fixture(scope="module")
def model() -> Any:
    return botocore.session.get_session().get_service_model("logs")


@pytest.fixture
def ask(store: LogStore, model: Any) -> Any:
    """Calls an operation, and checks the answer against the service model."""
    operations = LogsApi(store).operations()

    async def ask(operation: str, **params: Any) -> dict[str, Any]:
        result = await operations[operation](CALL, params)
        shape = model.operation_model(operation).output_shape
        if shape is not None:
            report = ParamValidator().validate(result, shape)
            assert not report.has_errors(), report.generate_report()
            assert set(result) <= set(shape.members)
        return result

    return ask


def fill(store: LogStore, count: int = 10) -> None:
    for number in range(count):
        opened(store, f"s{number % 2}").write(1000 + number, f"line {number}\n")


def lines(answer: dict[str, Any]) -> list[int]:
    return [int(event["message"].split()[1]) for event in answer["events"]]


@pytest.mark.parametrize("operation", ["DescribeLogStreams", "GetLogEvents", "FilterLogEvents", "DeleteLogGroup"])
async def test_a_group_that_does_not_exist(ask: Any, operation: str) -> None:
    with pytest.raises(ResourceNotFoundException, match=r"^The specified log group does not exist\.$"):
        await ask(operation, **GROUP, logStreamName="s")


async def test_groups_are_listed_by_prefix_in_pages(ask: Any, store: LogStore) -> None:
    for name in ("/aws/lambda/a", "/aws/lambda/b", "/aws/lambda/c", "/else"):
        opened(store, group=name).write(1, "x")
    first = await ask("DescribeLogGroups", logGroupNamePrefix="/aws/lambda/", limit=2)
    second = await ask("DescribeLogGroups", logGroupNamePrefix="/aws/lambda/", limit=2, nextToken=first["nextToken"])
    names = [group["logGroupName"] for group in first["logGroups"] + second["logGroups"]]
    assert names == ["/aws/lambda/a", "/aws/lambda/b", "/aws/lambda/c"]
    assert "nextToken" not in second


async def test_groups_are_listed_by_pattern(ask: Any, store: LogStore) -> None:
    opened(store, group="/aws/lambda/Orders").write(1, "x")
    answer = await ask("DescribeLogGroups", logGroupNamePattern="order")
    assert answer["logGroups"][0]["arn"] == "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/Orders:*"


async def test_streams_are_listed_by_time(ask: Any, store: LogStore) -> None:
    for time, name in ((3, "a"), (1, "b"), (2, "c")):
        opened(store, name).write(time, "x")
    answer = await ask("DescribeLogStreams", **GROUP, orderBy="LastEventTime", descending=True)
    assert [stream["logStreamName"] for stream in answer["logStreams"]] == ["a", "c", "b"]
    assert answer["logStreams"][0]["lastEventTimestamp"] == 3


async def test_streams_are_listed_by_prefix(ask: Any, store: LogStore) -> None:
    fill(store)
    answer = await ask("DescribeLogStreams", **GROUP, logStreamNamePrefix="s1")
    assert [stream["logStreamName"] for stream in answer["logStreams"]] == ["s1"]


async def test_filter_returns_all_streams_in_time_order(ask: Any, store: LogStore) -> None:
    fill(store)
    answer = await ask("FilterLogEvents", **GROUP)
    assert lines(answer) == list(range(10))
    assert answer["events"][1]["logStreamName"] == "s1"
    assert "nextToken" not in answer


async def test_filter_includes_both_ends(ask: Any, store: LogStore) -> None:
    fill(store)
    assert lines(await ask("FilterLogEvents", **GROUP, startTime=1002, endTime=1004)) == [2, 3, 4]


async def test_filter_takes_patterns_and_streams(ask: Any, store: LogStore) -> None:
    fill(store)
    assert lines(await ask("FilterLogEvents", **GROUP, filterPattern='"line 7"')) == [7]
    assert lines(await ask("FilterLogEvents", **GROUP, logStreamNames=["s1"])) == [1, 3, 5, 7, 9]
    assert lines(await ask("FilterLogEvents", **GROUP, logStreamNamePrefix="s0")) == [0, 2, 4, 6, 8]


async def test_filter_takes_the_arn_of_a_group(ask: Any, store: LogStore) -> None:
    fill(store, 1)
    arn = "arn:aws:logs:eu-west-1:123456789012:log-group:g:*"
    assert lines(await ask("FilterLogEvents", logGroupIdentifier=arn)) == [0]


async def test_filter_leads_through_pages(ask: Any, store: LogStore) -> None:
    fill(store)
    read: list[int] = []
    token: dict[str, str] = {}
    while True:
        answer = await ask("FilterLogEvents", **GROUP, limit=3, **token)
        read += lines(answer)
        if "nextToken" not in answer:
            break
        token = {"nextToken": answer["nextToken"]}
    assert read == list(range(10))


async def test_get_returns_the_newest_and_leads_both_ways(ask: Any, store: LogStore) -> None:
    fill(store, 20)
    where = GROUP | {"logStreamName": "s0", "limit": 3}
    newest = await ask("GetLogEvents", **where)
    older = await ask("GetLogEvents", **where, nextToken=newest["nextBackwardToken"])
    newer = await ask("GetLogEvents", **where, nextToken=older["nextForwardToken"])
    assert (lines(newest), lines(older), lines(newer)) == ([14, 16, 18], [8, 10, 12], [14, 16, 18])


async def test_get_repeats_the_token_at_the_end_and_goes_on_later(ask: Any, store: LogStore) -> None:
    fill(store, 4)
    where = GROUP | {"logStreamName": "s0"}
    token = (await ask("GetLogEvents", **where, startFromHead=True))["nextForwardToken"]
    end = await ask("GetLogEvents", **where, nextToken=token)
    assert (end["events"], end["nextForwardToken"]) == ([], token)
    opened(store, "s0").write(1003, "line 99")
    assert lines(await ask("GetLogEvents", **where, nextToken=token)) == [99]


async def test_get_includes_the_start_alone(ask: Any, store: LogStore) -> None:
    fill(store)
    assert lines(await ask("GetLogEvents", **GROUP, logStreamName="s0", startTime=1002, endTime=1006)) == [2, 4]


async def test_a_stream_that_does_not_exist(ask: Any, store: LogStore) -> None:
    fill(store)
    with pytest.raises(ResourceNotFoundException, match=r"^The specified log stream does not exist\.$"):
        await ask("GetLogEvents", **GROUP, logStreamName="none")


async def test_delete_removes_the_group(ask: Any, store: LogStore) -> None:
    fill(store)
    assert await ask("DeleteLogGroup", **GROUP) == {}
    assert (await ask("DescribeLogGroups"))["logGroups"] == []


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("FilterLogEvents", {}),
        ("FilterLogEvents", {"logGroupName": ""}),
        ("FilterLogEvents", {"logGroupName": 5}),
        ("FilterLogEvents", GROUP | {"logGroupIdentifier": "g"}),
        ("FilterLogEvents", GROUP | {"limit": 0}),
        ("FilterLogEvents", GROUP | {"limit": 10_001}),
        ("FilterLogEvents", GROUP | {"limit": "5"}),
        ("FilterLogEvents", GROUP | {"startTime": -1}),
        ("FilterLogEvents", GROUP | {"nextToken": "nonsense"}),
        ("FilterLogEvents", GROUP | {"filterPattern": "{ $.x = 1 }"}),
        ("FilterLogEvents", GROUP | {"filterPattern": []}),
        ("FilterLogEvents", GROUP | {"logStreamNames": [1]}),
        ("FilterLogEvents", GROUP | {"logStreamNames": ["s0"], "logStreamNamePrefix": "s"}),
        ("GetLogEvents", GROUP),
        ("GetLogEvents", GROUP | {"logStreamName": "s0", "nextToken": "x/1-2"}),
        ("GetLogEvents", GROUP | {"logStreamName": "s0", "nextToken": "f/"}),
        ("DescribeLogStreams", GROUP | {"orderBy": "Size"}),
        ("DescribeLogStreams", GROUP | {"orderBy": "LastEventTime", "logStreamNamePrefix": "s"}),
        ("DescribeLogGroups", {"limit": 51}),
        ("DescribeLogGroups", {"nextToken": "x"}),
        ("DescribeLogGroups", {"logGroupNamePrefix": "a", "logGroupNamePattern": "b"}),
    ],
)
async def test_what_is_not_valid_is_refused(ask: Any, store: LogStore, operation: str, params: dict[str, Any]) -> None:
    fill(store)
    with pytest.raises(InvalidParameterException):
        await ask(operation, **params)


async def test_hostile_names_are_only_unknown(ask: Any, store: LogStore) -> None:
    fill(store)
    for name in ("..", "../g", "/", "arn:aws:logs", "arn:aws:logs:x:y:log-group:"):
        with pytest.raises(ServiceError):
            await ask("FilterLogEvents", logGroupIdentifier=name)
