"""Requests made from the service model, good and broken: each is answered, and never with an error of the server's."""

from __future__ import annotations

import json
import string
from typing import Any
from urllib.parse import quote

import botocore.session
import pytest
from botocore.exceptions import ClientError, HTTPClientError, ParamValidationError
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from demo._service import Service

from ._raw import FUNCTIONS, JSON, signed
from .conftest import ROLE, RUNTIME, Functions, client, package

MODEL = botocore.session.get_session().get_service_model("lambda")
BUILT = (
    *("AddPermission", "CreateAlias", "CreateFunction", "DeleteAlias", "DeleteFunction", "DeleteFunctionConcurrency"),
    *("GetAccountSettings", "GetAlias", "GetFunction", "GetFunctionCodeSigningConfig", "GetFunctionConcurrency"),
    *("GetFunctionConfiguration", "GetPolicy", "Invoke", "ListAliases", "ListFunctions", "ListTags"),
    *("ListVersionsByFunction", "PublishVersion", "PutFunctionConcurrency", "RemovePermission", "TagResource"),
    *("UntagResource", "UpdateAlias", "UpdateFunctionCode", "UpdateFunctionConfiguration"),
)
HOW: dict[str, Any] = {
    "max_examples": 40,
    "deadline": None,
    "database": None,
    "derandomize": True,
    "suppress_health_check": list(HealthCheck),
}
NAME = "property"
ARN = f"arn:aws:lambda:us-east-1:000000000000:function:{NAME}"
# What the members of the model are called for which something sensible is known.
KNOWN: dict[str, list[Any]] = {
    "FunctionName": [NAME, ARN, f"{NAME}:1", f"function:{NAME}", "nothing", "bad name", "x" * 200],
    "Qualifier": ["1", "$LATEST", "live", "2", "$x"],
    "FunctionVersion": ["1", "$LATEST", "9"],
    "Resource": [ARN, f"{ARN}:1", "arn:aws:lambda:us-east-1:000000000000:layer:x"],
    "Role": [ROLE, "r"],
    "Runtime": [RUNTIME, "nodejs22.x", "cobol"],
    "Handler": ["app.handler", "", "a b"],
    "ZipFile": [package("def handler(event, context):\n    return 1\n"), b"", b"PK", package("x", "../x")],
    "Payload": [b"1", b"", b"{", b"\xff"],
    "RevisionId": ["", "x", "00000000-0000-4000-8000-000000000000"],
    "Name": ["live", "1", "other"],
    "Architectures": [["x86_64"], ["arm64"], [], ["x86_64", "arm64"], ["z80"]],
    "Action": ["lambda:InvokeFunction", "lambda:*", "s3:GetObject"],
    "Principal": ["s3.amazonaws.com", "*", "111111111111"],
    "Marker": ["", "x", "MQ=="],
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
WHOLE = {"long": 1, "integer": 1, "boolean": True, "structure": {}, "list": [], "map": {}}


def values(shape: Any, name: str = "") -> st.SearchStrategy[Any]:
    """Values of a shape, some that fit and some that do not."""
    if name in KNOWN:
        return st.one_of(st.sampled_from(KNOWN[name]), _of_type(shape))
    return _of_type(shape)


def _of_type(shape: Any) -> st.SearchStrategy[Any]:
    if shape.type_name == "structure":
        return structures(shape, sorted(shape.members), [])
    if shape.type_name == "list":
        return st.lists(values(shape.member), max_size=3)
    if shape.type_name == "map":
        return st.dictionaries(values(shape.key), values(shape.value), max_size=3)
    enum = getattr(shape, "enum", None)
    return st.one_of(st.sampled_from(enum), LEAVES[shape.type_name]) if enum else LEAVES[shape.type_name]


def structures(shape: Any, names: list[str], always: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Structures with members of ``always`` and a few others."""
    members = {name: values(shape.members[name], name) for name in names}
    return st.fixed_dictionaries(
        {name: members[name] for name in always},
        optional={name: each for name, each in members.items() if name not in always},
    )


def inputs(operation: str) -> st.SearchStrategy[dict[str, Any]]:
    """Requests of an operation; what its path needs is always there, the rest mostly."""
    shape = MODEL.operation_model(operation).input_shape
    in_path = [name for name, member in shape.members.items() if member.serialization.get("location") == "uri"]
    needed = sorted({*in_path, *shape.required_members})
    return st.one_of(
        structures(shape, needed, needed),
        structures(shape, sorted(shape.members), needed),
        structures(shape, sorted(shape.members), in_path),
    )


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
    @settings(**HOW)
    @given(inputs(operation))
    def each(request: dict[str, Any]) -> None:
        found = answer(loose, operation, request)["ResponseMetadata"]
        assert found["HTTPStatusCode"] < 500 or found["HTTPStatusCode"] in {501, 502}
        assert found["RequestId"]

    each()


@pytest.mark.parametrize("operation", sorted(set(MODEL.operation_names) - set(BUILT)))
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
