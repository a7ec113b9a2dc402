"""Requests made from the service model, good and broken: each is answered, and never with an error of the server's."""

from __future__ import annotations

import itertools
import json
import string
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import botocore.session
import pytest
from botocore.exceptions import ClientError, HTTPClientError, ParamValidationError
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from demo._service import Service
from lamina.functions._functions import _OPERATIONS

from ._raw import FUNCTIONS, JSON, signed
from .conftest import ROLE, RUNTIME, Functions, client, package

MODEL = botocore.session.get_session().get_service_model("lambda")
# DeleteFunction comes last, because the others need the function. The frames of a stream have tests of their own.
BUILT = (*sorted({*_OPERATIONS, "Invoke"} - {"DeleteFunction"}), "DeleteFunction")
STREAMED = "InvokeWithResponseStream"
HOW: dict[str, Any] = {
    "max_examples": 40,
    "deadline": None,
    "database": None,
    "derandomize": True,
    "suppress_health_check": list(HealthCheck),
}
NAME = "property"
ARN = f"arn:aws:lambda:us-east-1:000000000000:function:{NAME}"
# By the names of members: first the values that let a request get far.
GOOD: dict[str, list[Any]] = {
    "FunctionName": [NAME, ARN, f"function:{NAME}"],
    "Qualifier": ["1", "$LATEST", "live"],
    "FunctionVersion": ["1", "$LATEST"],
    "Resource": [ARN],
    "Role": [ROLE],
    "Runtime": [RUNTIME],
    "Handler": ["app.handler"],
    "ZipFile": [package("def handler(event, context):\n    return 1\n")],
    "Payload": [b"1", b""],
    "RevisionId": ["", "00000000-0000-4000-8000-000000000000"],
    "Name": ["live", "other"],
    "Architectures": [["x86_64"]],
    "PackageType": ["Zip"],
    "Action": ["lambda:InvokeFunction"],
    "Principal": ["s3.amazonaws.com", "*", "111111111111"],
    "Marker": [""],
    "RoutingConfig": [{}, {"AdditionalVersionWeights": {"1": 0.5}}, {"AdditionalVersionWeights": {"2": 0.5}}],
}
BAD: dict[str, list[Any]] = {
    "FunctionName": [f"{NAME}:1", "nothing", "bad name", "x" * 200],
    "Qualifier": ["2", "$x"],
    "FunctionVersion": ["9"],
    "Resource": [f"{ARN}:1", "arn:aws:lambda:us-east-1:000000000000:layer:x"],
    "Role": ["r"],
    "Runtime": ["nodejs22.x", "cobol"],
    "Handler": ["", "a b"],
    "ZipFile": [b"", b"PK", package("x", "../x")],
    "Payload": [b"{", b"\xff"],
    "RevisionId": ["x"],
    "Name": ["1"],
    "Architectures": [["arm64"], [], ["x86_64", "arm64"], ["z80"]],
    "Action": ["lambda:*", "s3:GetObject"],
    "Marker": ["x", "MQ=="],
}
TEXTS = st.one_of(
    st.text(string.ascii_letters + string.digits + "-_:$./ ", max_size=20),
    st.text(st.characters(min_codepoint=0, max_codepoint=0x2FFFF, exclude_categories=["Cs"]), max_size=8),
    st.sampled_from(["", "\0", "\n", "../..", "%2e%2e", "a" * 300, "ü", "\U0001f600", "' OR 1=1 --"]),
)
NUMBERS = st.one_of(st.integers(-2, 20_000), st.sampled_from([2**31, -(2**63), 2**63, 10**30]))
FLOATS = st.one_of(st.floats(-1, 2), st.sampled_from([1e308, -0.0]))
LEAVES = {
    "string": TEXTS,
    "integer": NUMBERS,
    "long": NUMBERS,
    "float": FLOATS,
    "double": FLOATS,
    "boolean": st.booleans(),
    "blob": st.binary(max_size=40),
    "timestamp": st.datetimes(),
}
MOSTLY = {"CreateFunction": ("Runtime", "Handler"), "UpdateFunctionCode": ("ZipFile",)}
WHOLE = {"long": 1, "integer": 1, "boolean": True, "structure": {}, "list": [], "map": {}}


def plausible(shape: Any, name: str = "") -> st.SearchStrategy[Any]:
    """Values that keep to the constraints of the shape."""
    if name in GOOD:
        return st.sampled_from(GOOD[name])
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if shape.type_name == "structure":
        return _structure(shape, plausible)
    if shape.type_name == "list":
        return st.lists(plausible(shape.member), min_size=least or 0, max_size=min(most or 3, 3))
    if shape.type_name == "map":
        return st.dictionaries(plausible(shape.key), plausible(shape.value), max_size=3)
    if shape.type_name == "string":
        return _text(shape, least or 0, min(most or 30, 200))
    if shape.type_name in {"integer", "long"}:
        return st.integers(least or 0, min(most or 1000, (least or 0) + 1000))
    return LEAVES[shape.type_name]


def _text(shape: Any, least: int, most: int) -> st.SearchStrategy[str]:
    if shape.enum:
        return st.sampled_from(shape.enum)
    pattern = shape.metadata.get("pattern")
    if pattern is None or r"\p" in pattern:  # a class of Java's that Python does not have
        return st.text(string.ascii_letters, min_size=least, max_size=max(least, most))
    ascii_only = st.characters(codec="ascii")
    matching = st.from_regex(pattern, fullmatch=True, alphabet=ascii_only)
    return matching.filter(lambda text: least <= len(text) <= most)


def wild(shape: Any, name: str = "") -> st.SearchStrategy[Any]:
    """Values of the type, and no more."""
    known = st.sampled_from(BAD[name]) if name in BAD else st.nothing()
    if shape.type_name == "structure":
        return known | _structure(shape, wild)
    if shape.type_name == "list":
        return known | st.lists(wild(shape.member), max_size=3)
    if shape.type_name == "map":
        return known | st.dictionaries(wild(shape.key), wild(shape.value), max_size=3)
    return known | LEAVES[shape.type_name]


def _structure(shape: Any, values: Callable[[Any, str], st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={name: values(each, name) for name, each in shape.members.items()})


@st.composite
def inputs(draw: st.DrawFn, operation: str) -> dict[str, Any]:
    """A request: what is required, one or two other members, and mostly one of them broken."""
    shape = MODEL.operation_model(operation).input_shape
    in_path = [name for name, member in shape.members.items() if member.serialization.get("location") == "uri"]
    needed = {*in_path, *shape.required_members, *MOSTLY.get(operation, ())}
    others = sorted(set(shape.members) - needed)
    chosen = draw(st.lists(st.sampled_from(others), max_size=2, unique=True)) if others else []
    request = {name: draw(plausible(shape.members[name], name)) for name in (*sorted(needed), *chosen)}
    if request and draw(st.integers(0, 2)):
        broken = draw(st.sampled_from(sorted(request)))
        request[broken] = draw(wild(shape.members[broken], broken))
        if broken not in in_path and draw(st.integers(0, 3)) == 0:
            del request[broken]
    return request


@pytest.fixture(scope="module")
def loose(service: Service) -> Any:
    """A client that checks nothing, in an account with one function of all kinds of things."""
    functions = Functions(client(service.address))
    code = {"ZipFile": package("def handler(event, context):\n    return 1\n")}
    made = functions.client
    made.create_function(FunctionName=NAME, Runtime=RUNTIME, Handler="app.handler", Role=ROLE, Code=code, Publish=True)
    made.get_waiter("function_active_v2").wait(FunctionName=NAME)
    made.create_alias(FunctionName=NAME, Name="live", FunctionVersion="1")
    return client(service.address, parameter_validation=False, read_timeout=20)


def answer(loose: Any, operation: str, request: dict[str, Any]) -> dict[str, Any]:
    """The answer or the error, parsed by botocore; requests that it cannot even write are left out."""
    try:
        found = loose._make_api_call(operation, request)
    except ClientError as error:
        found = error.response
        if found["Error"]["Message"] == "Invalid HTTP request received.":
            reject()  # a control character in a header
        assert found["Error"]["Code"].endswith("Exception"), found
    except HTTPClientError as error:
        if not isinstance(error.kwargs["error"], ValueError):
            raise
        reject()
    except (ParamValidationError, TypeError, ValueError, AttributeError):
        reject()
    if "Payload" in found:
        found["Payload"].read()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("operation", BUILT)
def test_every_request_is_answered(loose: Any, operation: str) -> None:
    numbers = itertools.count()

    @settings(**HOW)
    @given(inputs(operation))
    def each(request: dict[str, Any]) -> None:
        if operation == "CreateFunction" and request.get("FunctionName") in GOOD["FunctionName"]:
            request["FunctionName"] = f"made-{next(numbers)}"
        found = answer(loose, operation, request)["ResponseMetadata"]
        assert found["HTTPStatusCode"] < 500 or found["HTTPStatusCode"] in {501, 502}
        assert found["RequestId"]

    each()


@pytest.mark.parametrize("operation", sorted(set(MODEL.operation_names) - {*BUILT, STREAMED}))
def test_what_is_not_built_says_so(loose: Any, operation: str) -> None:
    shape = MODEL.operation_model(operation).input_shape
    request = {name: WHOLE.get(shape.members[name].type_name, "x") for name in shape.required_members}
    found = answer(loose, operation, request)
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert found["Error"]["Code"] == "NotImplementedException"
    assert operation in found["Error"]["Message"]


WITH_BODY = {
    "AddPermission": ("POST", f"{FUNCTIONS}/{NAME}/policy"),
    "CreateAlias": ("POST", f"{FUNCTIONS}/{NAME}/aliases"),
    "CreateFunction": ("POST", FUNCTIONS),
    "PublishVersion": ("POST", f"{FUNCTIONS}/{NAME}/versions"),
    "PutFunctionConcurrency": ("PUT", f"/2017-10-31/functions/{NAME}/concurrency"),
    "TagResource": ("POST", f"/2017-03-31/tags/{quote(ARN, safe='')}"),
    "UpdateAlias": ("PUT", f"{FUNCTIONS}/{NAME}/aliases/live"),
    "UpdateFunctionCode": ("PUT", f"{FUNCTIONS}/{NAME}/code"),
    "UpdateFunctionConfiguration": ("PUT", f"{FUNCTIONS}/{NAME}/configuration"),
}
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, FLOATS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)


@pytest.mark.slow
@pytest.mark.parametrize("operation", WITH_BODY)
def test_members_of_any_type_are_answered(loose: Any, service: Service, operation: str) -> None:
    shape = MODEL.operation_model(operation).input_shape
    nested = [member for member in shape.members.values() if member.type_name == "structure"]
    names = sorted({*shape.members, *(name for member in nested for name in member.members)})
    inner = st.dictionaries(st.sampled_from(names), ANYTHING, max_size=3)
    method, path = WITH_BODY[operation]

    @settings(**HOW)
    @given(st.dictionaries(st.sampled_from(names), st.one_of(ANYTHING, inner), max_size=4))
    def each(body: dict[str, Any]) -> None:
        answer = signed(service, method, path, json.dumps(body).encode(), JSON)
        assert answer.status < 500, answer.body
        json.loads(answer.body or b"{}")

    each()
