"""Function names, ARNs and qualifiers as clients without validation send them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError

from demo._service import Service

from ._raw import FUNCTIONS, signed
from .conftest import Functions, client

SAYS = "def handler(event, context):\n    return {!r}\n"
ARN = "arn:aws:lambda:us-east-1:000000000000:function:"


@pytest.fixture(scope="module")
def name(functions: Functions) -> str:
    name = functions.create(SAYS.format("one"), Publish=True)
    functions.client.get_waiter("published_version_active").wait(FunctionName=name, Qualifier="1")
    return name


@pytest.fixture(scope="module")
def loose(service: Service) -> Any:
    return client(service.address, parameter_validation=False)


@pytest.mark.parametrize(
    "form", ["{}", "function:{}", "000000000000:function:{}", ARN + "{}", "{}:1", "{}:$LATEST", ARN + "{}:1"]
)
def test_the_forms(loose: Any, name: str, form: str) -> None:
    found = loose.get_function_configuration(FunctionName=form.format(name))
    assert found["FunctionName"] == name
    assert json.loads(loose.invoke(FunctionName=form.format(name))["Payload"].read()) == "one"


@pytest.mark.parametrize(
    "form",
    [
        "{}:1:2",
        "arn:aws:s3:us-east-1:000000000000:function:{}",
        "arn:aws:lambda::000000000000:function:{}",
        "arn:aws:lambda:us-east-1::function:{}",
        "{}:$LATES",
        "{}/x",
        "{} x",
        "{}\n",
        "ü{}",
        "{}%2e%2e",
        "{}:",
    ],
)
def test_no_name(loose: Any, name: str, form: str) -> None:
    for call in (loose.get_function, loose.invoke, loose.delete_function):
        with pytest.raises(ClientError) as refused:
            call(FunctionName=form.format(name))
        error = refused.value.response["Error"]
        assert error["Code"] == "ValidationException", (call, error)
        assert "at 'functionName' failed to satisfy constraint" in error["Message"]


def test_two_qualifiers(loose: Any, name: str) -> None:
    for call in (loose.get_function, loose.invoke):
        with pytest.raises(loose.exceptions.InvalidParameterValueException) as refused:
            call(FunctionName=f"{name}:1", Qualifier="$LATEST")
        assert refused.value.response["Error"]["Message"] == (
            "The derived qualifier from the function name does not match the specified qualifier."
        )
    assert loose.invoke(FunctionName=f"{name}:1", Qualifier="1")["ExecutedVersion"] == "1"


@pytest.mark.parametrize("qualifier", ["2", "$latest", "alias", "0", "01"])
def test_a_qualifier_of_nothing(loose: Any, name: str, qualifier: str) -> None:
    for call in (loose.get_function, loose.invoke):
        with pytest.raises(loose.exceptions.ResourceNotFoundException) as refused:
            call(FunctionName=name, Qualifier=qualifier)
        error = refused.value.response["Error"]
        assert error["Message"] == f"Function not found: {ARN}{name}:{qualifier}"


def test_a_long_qualifier(loose: Any, name: str) -> None:
    with pytest.raises(ClientError) as refused:
        loose.get_function(FunctionName=name, Qualifier="x" * 129)
    assert "Member must have length less than or equal to 128" in refused.value.response["Error"]["Message"]


def test_a_long_name(loose: Any) -> None:
    name = "x" * 65
    with pytest.raises(loose.exceptions.ResourceNotFoundException, match=f"{name}$"):
        loose.get_function(FunctionName=name)
    with pytest.raises(loose.exceptions.ResourceNotFoundException, match=rf"{name}:\$LATEST"):
        loose.invoke(FunctionName=name)


def test_both_bad(loose: Any) -> None:
    with pytest.raises(ClientError) as refused:
        loose.get_function(FunctionName="a/b", Qualifier="?")
    message = refused.value.response["Error"]["Message"]
    assert message.startswith("2 validation errors detected: Value '?' at 'qualifier'")


def test_a_name_in_another_escape(service: Service, name: str) -> None:
    path = f"{FUNCTIONS}/{quote(ARN + name, safe='')}"
    assert signed(service, "GET", path).status == 200
