"""Large blobs inside JSON mean what they mean the plain way."""

from __future__ import annotations

import base64
import os

import orjson
import pytest

from lamina.errors import SerializationException
from lamina.http._large import cut
from lamina.http._model import ServiceModel
from lamina.http._parsing import parse

DATA = os.urandom(900_000)
TEXT = base64.b64encode(DATA).decode()
OPERATIONS = ServiceModel.load("lambda").operations


def test_a_large_blob_is_decoded() -> None:
    body = orjson.dumps({"DryRun": True, "ZipFile": TEXT, "RevisionId": "r"})
    assert cut(body) is not None
    params = parse(OPERATIONS["UpdateFunctionCode"], {"FunctionName": "f"}, b"", [], body)
    assert params == {"FunctionName": "f", "DryRun": True, "ZipFile": DATA, "RevisionId": "r"}


def test_a_nested_large_blob_is_decoded() -> None:
    body = orjson.dumps({"FunctionName": "f", "Code": {"ZipFile": TEXT}}, option=orjson.OPT_INDENT_2)
    assert parse(OPERATIONS["CreateFunction"], {}, b"", [], body)["Code"] == {"ZipFile": DATA}


def test_a_large_text_that_looks_like_a_blob_stays_a_text() -> None:
    body = orjson.dumps({"RevisionId": TEXT})
    params = parse(OPERATIONS["UpdateFunctionCode"], {"FunctionName": "f"}, b"", [], body)
    assert params["RevisionId"] == TEXT


@pytest.mark.parametrize("text", [TEXT[:-3], TEXT[:-1] + "!", "\\u0041" * 200_000])
def test_what_is_not_base64_has_the_plain_error(text: str) -> None:
    with pytest.raises(SerializationException, match="base64"):
        parse(OPERATIONS["UpdateFunctionCode"], {"FunctionName": "f"}, b"", [], orjson.dumps({"ZipFile": text}))


def test_a_large_stretch_between_strings_is_not_a_blob() -> None:
    body = b'{"DryRun": ' + b" " * 900_000 + b'true, "ZipFile": "aGk="}'
    params = parse(OPERATIONS["UpdateFunctionCode"], {"FunctionName": "f"}, b"", [], body)
    assert params == {"FunctionName": "f", "DryRun": True, "ZipFile": b"hi"}


def test_many_quotes_end_the_search() -> None:
    assert cut(orjson.dumps({"x": ["a"] * 1000, "ZipFile": TEXT})) is None
