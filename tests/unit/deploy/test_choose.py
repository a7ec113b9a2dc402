"""Where the code comes from (API notes, 5.9, 6.14 to 6.16)."""

from __future__ import annotations

from typing import Any

import pytest

from lamina.deploy import ContainerImage, InlineZip, S3Object, choose_source
from lamina.errors import InvalidParameterValueException

S3 = {"S3Bucket": "code", "S3Key": "app.zip"}
URI = "123456789012.dkr.ecr.us-east-1.amazonaws.com/app:v1"


def refusal(code: dict[str, Any], package_type: str = "Zip", *, creating: bool = False) -> str | None:
    with pytest.raises(InvalidParameterValueException) as raised:
        choose_source(code, package_type, creating=creating)
    return raised.value.message


def test_an_inline_zip() -> None:
    assert choose_source({"ZipFile": b"zip", "S3Bucket": None}, "Zip") == InlineZip(b"zip")


def test_an_empty_inline_zip_is_a_source() -> None:
    assert choose_source({"ZipFile": b""}, "Zip") == InlineZip(b"")


def test_an_object() -> None:
    assert choose_source(S3, "Zip") == S3Object(bucket="code", key="app.zip")


def test_a_version_by_reference() -> None:
    code = {**S3, "S3ObjectVersion": "v1", "S3ObjectStorageMode": "REFERENCE"}
    assert choose_source(code, "Zip") == S3Object(bucket="code", key="app.zip", version="v1", by_reference=True)


def test_an_image() -> None:
    assert choose_source({"ImageUri": URI}, "Image") == ContainerImage(URI)


@pytest.mark.parametrize("code", [{}, {"ZipFile": None}, {"Architectures": ["x86_64"]}])
@pytest.mark.parametrize("package_type", ["Zip", "Image"])
def test_none(code: dict[str, Any], package_type: str) -> None:
    assert refusal(code, package_type) == "Please provide a source for function code."


@pytest.mark.parametrize("member", ["S3Bucket", "S3Key", "S3ObjectVersion", "S3ObjectStorageMode"])
def test_two(member: str) -> None:
    message = "Please do not provide other FunctionCode parameters when providing a ZipFile."
    assert refusal({"ZipFile": b"zip", member: "x"}) == message


@pytest.mark.parametrize("member", S3)
def test_half_an_object(member: str) -> None:
    assert refusal({member: "x"}) == "Please provide both S3Bucket and S3Key."


@pytest.mark.parametrize("other", [{}, S3, {"ZipFile": b"zip"}])
def test_an_image_for_a_zip_function(other: dict[str, Any]) -> None:
    message = "Please don't provide ImageUri when updating a function with packageType Zip."
    assert refusal({"ImageUri": URI, **other}) == message


@pytest.mark.parametrize("zipped", [S3, {"ZipFile": b""}, {"ZipFile": b"zip", "ImageUri": URI}])
def test_a_zip_for_an_image_function(zipped: dict[str, Any]) -> None:
    message = "Please provide ImageUri when updating a function with packageType Image."
    assert refusal(zipped, "Image") == message


def test_the_words_when_creating() -> None:
    assert "when creating a function" in (refusal({"ImageUri": URI}, creating=True) or "")
    assert "when creating a function" in (refusal({"ZipFile": b""}, "Image", creating=True) or "")


def test_an_encrypted_image() -> None:
    message = "SourceKMSKeyArn is supported for functions with packageType Zip only."
    assert refusal({"ImageUri": URI, "SourceKMSKeyArn": "arn:aws:kms:us-east-1:123456789012:key/k"}, "Image") == message
