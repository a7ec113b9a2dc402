from __future__ import annotations

import contextlib
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import UnknownOperationException
from lamina.http._model import ServiceModel
from lamina.http._routing import Router

ARN = "arn:aws:lambda:eu-central-1:123456789012:function:f"


@pytest.fixture(scope="module")
def router(model: ServiceModel) -> Router:
    return Router(model.operations.values())


@pytest.mark.parametrize("name", sorted(ServiceModel.load("lambda").operations))
def test_finds_every_operation_by_its_own_template(model, router, name):
    operation = model.operations[name]
    query = "&".join(f"{key}={value}" for key, value in operation.fixed_query).encode()

    match = router.route(operation.method, operation.path.encode(), query)

    assert match.operation is operation
    assert match.path_parameters == {label: f"{{{label}}}" for label in operation.input.uri}


@pytest.mark.parametrize("path", [b"/2015-03-31/functions", b"/2015-03-31/functions/"])
def test_a_trailing_slash_changes_nothing(router, path):
    assert router.route("GET", path).operation.name == "ListFunctions"


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("f", "f"),
        ("f%3A%24LATEST", "f:$LATEST"),
        (quote(ARN, safe=""), ARN),
        (ARN, ARN),
        ("%C3%A9", "é"),
        ("%FF", "\ufffd"),
        ("%", "%"),
    ],
)
def test_decodes_the_parameters_of_a_path(router, sent, meant):
    match = router.route("GET", f"/2015-03-31/functions/{sent}/configuration".encode())

    assert match.path_parameters == {"FunctionName": meant}


@pytest.mark.parametrize("tail", ["", "/history", "/state"])
def test_an_arn_may_have_slashes_that_are_not_encoded(router, tail):
    arn = f"{ARN}:1/durable-execution/name/id"

    match = router.route("GET", f"/2025-12-01/durable-executions/{arn}{tail}".encode())

    assert match.path_parameters == {"DurableExecutionArn": arn}


@pytest.mark.parametrize(
    ("query", "name"),
    [
        (b"", "ListLayers"),
        (b"Marker=x", "ListLayers"),
        (b"find=LayerVersion&Arn=x", "GetLayerVersionByArn"),
        (b"Arn=x&find=LayerVersion", "GetLayerVersionByArn"),
    ],
)
def test_the_query_tells_operations_of_one_path_apart(router, query, name):
    assert router.route("GET", b"/2018-10-31/layers", query).operation.name == name


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", b"/2015-03-31/functions/f"),
        ("GET", b"/2015-03-31/functions/f/nothing"),
        ("PUT", b"/2015-03-31/functions//code"),
        ("GET", b"/"),
        ("GET", b""),
        ("GET", b"/" + b"arn/" * 5000),
    ],
)
def test_what_is_not_there_is_an_unknown_operation(router, method, path):
    with pytest.raises(UnknownOperationException):
        router.route(method, path)


@given(path=st.binary(max_size=80), query=st.binary(max_size=40))
def test_no_path_crashes_it(router, path, query):
    with contextlib.suppress(UnknownOperationException):
        router.route("GET", b"/2017-03-31/tags/" + path, query)
