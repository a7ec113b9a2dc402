"""Image URIs and the registries behind them."""

from __future__ import annotations

import pytest

from lamina.errors import InvalidParameterValueException
from lamina.images import Registries, parse_image_uri

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
DIGEST = "sha256:" + "ab" * 32


def test_a_tag() -> None:
    reference = parse_image_uri(f"{ECR}/team/app_1:v2.0-x")
    assert (reference.registry, reference.repository, reference.tag) == (ECR, "team/app_1", "v2.0-x")
    assert reference.digest is None
    assert reference.ecr_region == "eu-west-1"
    assert reference.at(DIGEST) == f"{ECR}/team/app_1@{DIGEST}"


def test_a_digest_and_a_port() -> None:
    reference = parse_image_uri(f"localhost:5000/app@{DIGEST}")
    assert (reference.registry, reference.tag, reference.digest) == ("localhost:5000", None, DIGEST)
    assert reference.ecr_region is None


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "app:v1",
        "app/part:v1",
        f"{ECR}/app",
        f"{ECR}/app:v1@{DIGEST}",
        f"{ECR}/app@sha256:1234",
        f"{ECR}/app@sha512:{'0' * 128}",
        f"{ECR}/app:",
        f"{ECR}/app:v 1",
        f"{ECR}/App:v1",
        f"{ECR}//app:v1",
        f"{ECR}/../app:v1",
        f"{ECR}/app:v1\n",
        f"https://{ECR}/app:v1",
        f"user@{ECR}/app:v1",
        "public.ecr.aws/lambda/python:3.12",
        f"{ECR}/{'a' * 257}:v1",
    ],
)
def test_what_is_no_reference(uri: str) -> None:
    with pytest.raises(InvalidParameterValueException) as caught:
        parse_image_uri(uri)
    assert caught.value.message == f"Source image {uri} is not valid. Provide a valid source image."


def test_names_are_mapped_exact_ones_first() -> None:
    registries = Registries.parse(f"*.dkr.ecr.*.amazonaws.com=http://a:5000/, {ECR}=https://u:p%40ss@b/mirror")
    found = registries.find(ECR)
    assert (found.url, found.username, found.password) == ("https://b/mirror", "u", "p@ss")
    assert (found.base, found.repository("app")) == ("https://b", "mirror/app")
    assert registries.find("210987654321.dkr.ecr.us-east-1.amazonaws.com").url == "http://a:5000"
    assert "p@ss" not in repr(registries)


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("example.com", "https://example.com"),
        ("localhost:5000", "http://localhost:5000"),
        ("127.0.0.2:80", "http://127.0.0.2:80"),
        ("127.0.0.1.example.com", "https://127.0.0.1.example.com"),
    ],
)
def test_other_names_are_addresses(name: str, url: str) -> None:
    assert Registries().find(name).url == url


@pytest.mark.parametrize(
    "text", ["name", "name=", "name=ftp://host", "=http://host", "name=http://h:99999", "n=http://h/?q"]
)
def test_a_setting_that_maps_nothing(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|port"):
        Registries.parse(text)


def test_the_message_about_a_setting_keeps_the_password() -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        Registries.parse("name=ftp://user:secret@host")
    assert "secret" not in str(caught.value)
