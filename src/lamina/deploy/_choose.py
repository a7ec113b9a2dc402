"""Exactly one source, of the function's package type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamina.deploy._image import ContainerImage
from lamina.deploy._inline import InlineZip
from lamina.deploy._interface import Source
from lamina.deploy._s3 import S3Object
from lamina.errors import InvalidParameterValueException

_S3 = ("S3Bucket", "S3Key", "S3ObjectVersion", "S3ObjectStorageMode")


def choose_source(code: Mapping[str, Any], package_type: str, *, creating: bool = False) -> Source:
    """The source that a request names: the members of FunctionCode or of UpdateFunctionCode.

    ``package_type`` is the function's, Zip or Image. Raises InvalidParameterValueException in the recorded words
    (API notes, 5.9, 6.14 to 6.16) for none, for two, and for one of the other package type.
    """
    given = [member for member in _S3 if code.get(member)]
    inline = code.get("ZipFile")
    image = code.get("ImageUri")
    if package_type == "Image":
        if given or inline is not None:
            action = "creating" if creating else "updating"
            raise InvalidParameterValueException(
                f"Please provide ImageUri when {action} a function with packageType Image."
            )
        return _image(image, bool(code.get("SourceKMSKeyArn")))
    if image:
        action = "creating" if creating else "updating"
        raise InvalidParameterValueException(
            f"Please don't provide ImageUri when {action} a function with packageType Zip."
        )
    if inline is not None:
        if given:
            raise InvalidParameterValueException(
                "Please do not provide other FunctionCode parameters when providing a ZipFile."
            )
        return InlineZip(inline)
    if not given:
        raise InvalidParameterValueException("Please provide a source for function code.")
    return _object(code)


def _image(uri: str | None, encrypted: bool) -> Source:
    if not uri:
        raise InvalidParameterValueException("Please provide a source for function code.")
    if encrypted:
        raise InvalidParameterValueException("SourceKMSKeyArn is supported for functions with packageType Zip only.")
    return ContainerImage(uri)


def _object(code: Mapping[str, Any]) -> Source:
    if not code.get("S3Bucket") or not code.get("S3Key"):
        raise InvalidParameterValueException("Please provide both S3Bucket and S3Key.")
    by_reference = code.get("S3ObjectStorageMode") == "REFERENCE"
    if by_reference and code.get("SourceKMSKeyArn"):
        raise InvalidParameterValueException(
            "SourceKMSKeyArn encrypts the copy of a package, and S3ObjectStorageMode REFERENCE keeps none."
        )
    return S3Object(
        bucket=code["S3Bucket"],
        key=code["S3Key"],
        version=code.get("S3ObjectVersion"),
        by_reference=by_reference,
    )
