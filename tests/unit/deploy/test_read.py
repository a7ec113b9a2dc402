"""Where the code comes from (API notes, 5.9 and 6.16)."""

from __future__ import annotations

from typing import Any

import pytest

from lamina.deploy import InlineZip, choose_source
from lamina.deploy._verify import verify
from lamina.errors import InvalidParameterValueException, RequestEntityTooLargeException


async def test_an_inline_zip() -> None:
    source = choose_source({"ZipFile": b"zip", "S3Bucket": None})
    assert source == InlineZip(b"zip")
    assert await source.read() == b"zip"


def test_an_empty_inline_zip_is_a_source() -> None:
    assert choose_source({"ZipFile": b""}) == InlineZip(b"")


@pytest.mark.parametrize("code", [{}, {"ZipFile": None}, {"Architectures": ["x86_64"]}])
def test_none(code: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameterValueException, match=r"^Please provide a source for function code\.$"):
        choose_source(code)


@pytest.mark.parametrize("member", ["S3Bucket", "S3Key", "S3ObjectVersion", "S3ObjectStorageMode"])
def test_two(member: str) -> None:
    with pytest.raises(
        InvalidParameterValueException,
        match=r"^Please do not provide other FunctionCode parameters when providing a ZipFile\.$",
    ):
        choose_source({"ZipFile": b"zip", member: "x"})


@pytest.mark.parametrize("member", ["S3Bucket", "ImageUri", "SourceKMSKeyArn"])
def test_those_that_this_version_has_not(member: str) -> None:
    with pytest.raises(InvalidParameterValueException, match=rf"^{member} is not supported by this version of Lamina"):
        choose_source({member: "x"})


def test_the_greatest_zip_is_one_of_fifty_mebibytes() -> None:
    verify(bytes(52_428_800), InlineZip(b"").largest)
    with pytest.raises(RequestEntityTooLargeException, match=r"^Zipped size must be smaller than 52428800 bytes$"):
        verify(bytes(52_428_801), InlineZip(b"").largest)


def test_an_empty_zip() -> None:
    with pytest.raises(InvalidParameterValueException, match=r"^Uploaded file must be a non-empty zip$"):
        verify(b"", 1)
