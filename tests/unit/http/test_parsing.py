from __future__ import annotations

import base64
import contextlib
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.errors import SerializationException, ServiceError
from lamina.http._parsing import parse
from lamina.http._validation import validate


@pytest.fixture
def read(model):
    def read(name, *, path=None, query=b"", headers=(), body=b""):
        body = body if isinstance(body, bytes | bytearray) else orjson.dumps(body)
        return parse(model.operations[name], path or {}, query, headers, body)

    return read


def test_reads_path_query_and_body(read):
    params = read(
        "AddPermission", path={"FunctionName": "f"}, query=b"Qualifier=%24LATEST", body={"Action": "lambda:*"}
    )

    assert params == {"FunctionName": "f", "Qualifier": "$LATEST", "Action": "lambda:*"}


def test_reads_headers_and_a_body_of_any_bytes(read):
    headers = [(b"x-amz-log-type", b"Tail"), (b"x-amz-other", b"1")]

    params = read("Invoke", path={"FunctionName": "f"}, headers=headers, body=b"\xff\x00")

    assert params == {"FunctionName": "f", "LogType": "Tail", "Payload": b"\xff\x00"}


def test_decodes_blobs_wherever_they_stand(read):
    packed = base64.b64encode(b"zip").decode()

    assert read("UpdateFunctionCode", body={"ZipFile": packed}) == {"ZipFile": b"zip"}
    assert read("CreateFunction", body={"Code": {"ZipFile": packed}}) == {"Code": {"ZipFile": b"zip"}}


def test_reads_from_a_bytearray(read):
    assert read("UpdateFunctionCode", body=bytearray(b'{"DryRun":true}')) == {"DryRun": True}


def test_null_counts_as_absent_and_unknown_members_are_left_out(read):
    assert read("CreateFunction", body={"Handler": None, "Code": {"S3Key": None}, "Nonsense": 1}) == {"Code": {}}


def test_a_member_of_the_path_is_not_read_from_the_body(read):
    assert read("UpdateFunctionCode", path={"FunctionName": "a"}, body={"FunctionName": "b"}) == {"FunctionName": "a"}


def test_a_repeated_query_parameter_is_a_list(read):
    assert read("UntagResource", query=b"tagKeys=a+b&tagKeys=c%2Bd&x=y") == {"TagKeys": ["a b", "c+d"]}


def test_converts_query_parameters(read):
    params = read("GetDurableExecutionHistory", query=b"MaxItems=7&ReverseOrder=true")

    assert params == {"MaxItems": 7, "ReverseOrder": True}


@pytest.mark.parametrize("sent", [0, 0.0, "1970-01-01T00:00:00Z", "1970-01-01T01:00:00+01:00"])
def test_reads_timestamps(read, sent):
    params = read("CreateEventSourceMapping", body={"StartingPositionTimestamp": sent})

    assert params == {"StartingPositionTimestamp": datetime(1970, 1, 1, tzinfo=UTC)}


def test_a_whole_number_serves_as_a_double(read):
    params = read("CreateAlias", body={"RoutingConfig": {"AdditionalVersionWeights": {"2": 1}}})

    weight = params["RoutingConfig"]["AdditionalVersionWeights"]["2"]
    assert (weight, type(weight)) == (1.0, float)


def test_a_whole_double_serves_as_an_integer(read):
    assert read("CreateFunction", body={"Timeout": 3.0}) == {"Timeout": 3}


@pytest.mark.parametrize("body", [b"", b"null", b"{}"])
def test_an_empty_body_has_no_members(read, body):
    assert read("PublishVersion", body=body) == {}


def test_a_body_that_the_operation_does_not_have_is_not_read(read):
    assert read("GetFunction", body=b"not json") == {}


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"1", b"\xff", b"{'a':1}", b'{"a":NaN}', b"[" * 9000])
def test_a_body_that_is_no_object_is_refused(read, body):
    with pytest.raises(SerializationException, match="Could not parse request body into json"):
        read("CreateFunction", body=body)


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ({"Timeout": "abc"}, "STRING_VALUE can not be converted to an Integer"),
        ({"Timeout": True}, "TRUE_VALUE can not be converted to an Integer"),
        ({"Timeout": 1.5}, "NUMBER_VALUE can not be converted to an Integer"),
        ({"Timeout": 2**31}, "NUMBER_VALUE can not be converted to an Integer"),
        ({"Timeout": {}}, "Start of structure or map found where not expected."),
        ({"Handler": 1}, "NUMBER_VALUE can not be converted to a String"),
        ({"Handler": []}, "Start of list found where not expected."),
        ({"Publish": "true"}, "STRING_VALUE can not be converted to a Boolean"),
        ({"Layers": "x"}, "Expected list or null"),
        ({"Layers": {}}, "Start of structure or map found where not expected."),
        ({"Code": "x"}, "Expected map or null"),
        ({"Environment": {"Variables": {"A": 1}}}, "NUMBER_VALUE can not be converted to a String"),
        ({"Code": {"ZipFile": 5}}, "NUMBER_VALUE can not be converted to a Blob"),
    ],
)
def test_a_member_of_another_type_is_refused(read, member, message):
    with pytest.raises(SerializationException) as caught:
        read("CreateFunction", body=member)
    assert caught.value.message == message


@pytest.mark.parametrize("text", ["a", "é===", "YWJj\n", "YW Jj", "YWJj=", "=", "YWJjZ"])
def test_what_is_not_base64_is_refused(read, text):
    with pytest.raises(SerializationException, match="base64"):
        read("UpdateFunctionCode", body={"ZipFile": text})


@pytest.mark.parametrize("query", [b"MaxItems=x", b"MaxItems=", b"MaxItems=1.5", b"MaxItems=99999999999999999999999"])
def test_a_query_parameter_of_another_type_is_refused(read, query):
    with pytest.raises(SerializationException):
        read("ListFunctions", query=query)


@pytest.mark.parametrize("moment", [1e300, -1e300, 10**18, "yesterday", True])
def test_a_time_that_is_none_is_refused(read, moment):
    with pytest.raises(SerializationException):
        read("CreateEventSourceMapping", body={"StartingPositionTimestamp": moment})


_TEXT = st.text("a1:$é\U0001f600\0", max_size=4)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60)
@given(data=st.data())
def test_no_value_of_a_member_crashes_reading_or_checking(model, data):
    operation = model.operations[data.draw(st.sampled_from(sorted(model.operations)))]
    names = sorted(operation.input.shape.members) or ["x"]
    body = data.draw(st.dictionaries(st.sampled_from(names), _JSON, max_size=4))
    query = data.draw(st.binary(max_size=30))

    _read_and_check(operation, query, orjson.dumps(body))


@settings(max_examples=60)
@given(body=st.binary(max_size=64), query=st.binary(max_size=40))
def test_no_bytes_crash_it(model, body, query):
    for name in ("CreateFunction", "UntagResource", "ListFunctions"):
        _read_and_check(model.operations[name], query, body)


def _read_and_check(operation, query, body):
    with contextlib.suppress(ServiceError):
        validate(operation, parse(operation, dict.fromkeys(operation.input.uri, "1"), query, [], body))
