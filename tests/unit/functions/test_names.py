"""Function names, ARNs and qualifiers (API notes, section 2)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import (
    AccessDeniedException,
    InvalidParameterValueException,
    ResourceNotFoundException,
    ServiceError,
    ValidationException,
)
from lamina.functions._names import PATTERN, Target, parse_target, version_number

ACCOUNT = "123456789012"
REGION = "eu-west-1"

names = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_-]{0,63}", fullmatch=True).filter(lambda name: name != "function")
qualifiers = st.one_of(st.just("$LATEST"), st.from_regex(r"[a-zA-Z0-9_-]{1,20}", fullmatch=True))


def parse(name: str, qualifier: str | None = None) -> Target:
    return parse_target(ACCOUNT, REGION, "GetFunction", name, qualifier)


@given(names, st.none() | qualifiers)
def test_every_form_means_the_same(name: str, qualifier: str | None) -> None:
    suffix = "" if qualifier is None else f":{qualifier}"
    forms = [
        f"{name}{suffix}",
        f"function:{name}{suffix}",
        f"{ACCOUNT}:function:{name}{suffix}",
        f"{REGION}:{ACCOUNT}:function:{name}{suffix}",
        f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}{suffix}",
    ]
    targets = {parse(form) for form in forms}
    assert len(targets) == 1
    (target,) = targets
    assert (target.key.account_id, target.key.region, target.key.name) == (ACCOUNT, REGION, name)
    assert target.qualifier == qualifier
    assert target.arn == forms[-1]


@given(names, qualifiers)
def test_the_parameter_and_the_name_are_one_qualifier(name: str, qualifier: str) -> None:
    assert parse(name, qualifier) == parse(f"{name}:{qualifier}") == parse(f"{name}:{qualifier}", qualifier)


@given(names, qualifiers, qualifiers)
def test_two_different_ones_are_refused(name: str, first: str, second: str) -> None:
    if first != second:
        with pytest.raises(InvalidParameterValueException):
            parse(f"{name}:{first}", second)


@given(st.text(max_size=80))
def test_what_the_model_refuses_is_refused_and_nothing_else(text: str) -> None:
    allowed = re.fullmatch(PATTERN, text, re.ASCII) is not None
    try:
        parse(text)
    except ValidationException:
        assert not allowed
    except ServiceError:
        assert allowed
    else:
        assert allowed


@given(
    st.lists(
        st.sampled_from(["arn", "aws", "lambda", REGION, ACCOUNT, "function", "f", "$LATEST", "1", ""]), max_size=9
    )
)
def test_pieces_of_arns_are_read_as_the_model_reads_them(pieces: list[str]) -> None:
    text = ":".join(pieces)
    match = re.fullmatch(PATTERN, text)
    if match is None:
        with pytest.raises(ValidationException):
            parse(text)
    else:
        assert parse(text).key.name == match[11]


@pytest.mark.parametrize(
    "name",
    [
        "f:1:2",
        "f:$LATES",
        f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f:1:2",
        f"arn:aws:lambda::{ACCOUNT}:function:f",
        f"arn:aws:lambda:{REGION}::function:f",
        f"arn:aws:iam:{REGION}:{ACCOUNT}:function:f",
        f"arn:aws:lambda:{REGION}:123400000000@function:f",
        "invalid:function:name",
        "f\n",
        "ｆ",
        "٣",
        "",
    ],
)
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(ValidationException) as refused:
        parse(name)
    assert refused.value.message == (
        f"1 validation error detected: Value '{name}' at 'functionName' failed to satisfy constraint: "
        f"Member must satisfy regular expression pattern: {PATTERN}"
    )


def test_an_arn_that_ends_early_names_the_function_function() -> None:
    assert parse(f"arn:aws:lambda:{REGION}:{ACCOUNT}:function").key.name == "function"


def test_another_region() -> None:
    with pytest.raises(ResourceNotFoundException) as refused:
        parse(f"arn:aws:lambda:ap-southeast-1:{ACCOUNT}:function:f")
    assert refused.value.message == "Functions from 'ap-southeast-1' are not reachable in this region ('eu-west-1')"


def test_another_account() -> None:
    with pytest.raises(AccessDeniedException) as refused:
        parse("999999999999:function:f")
    assert refused.value.message == (
        f"User: arn:aws:iam::{ACCOUNT}:root is not authorized to perform: lambda:GetFunction on resource: "
        "arn:aws:lambda:eu-west-1:999999999999:function:f because no resource-based policy allows the "
        "lambda:GetFunction action"
    )


@given(st.integers(min_value=1, max_value=999_999_999))
def test_numbers_are_versions(number: int) -> None:
    assert version_number(str(number)) == number


@pytest.mark.parametrize("text", ["", "0", "007", "-1", "1.0", " 1", "٣", "²", "1" * 10, "live", "$LATEST"])
def test_what_is_no_version(text: str) -> None:
    assert version_number(text) is None
