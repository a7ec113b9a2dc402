"""Read: where the code comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lamina.deploy._interface import Source
from lamina.errors import InvalidParameterValueException

INLINE_BYTES = 52_428_800

_FOREIGN = ("S3Bucket", "S3Key", "S3ObjectVersion", "S3ObjectStorageMode")
_UNAVAILABLE = ("ImageUri", "SourceKMSKeyArn")


@dataclass(frozen=True, slots=True)
class InlineZip:
    """A zip that came in the request. AWS takes at most 50 MiB this way (Lambda quotas)."""

    data: bytes

    @property
    def largest(self) -> int:
        """See ``Source.largest``."""
        return INLINE_BYTES

    async def read(self) -> bytes:
        """See ``Source.read``."""
        return self.data


def choose_source(code: Mapping[str, Any]) -> Source:
    """The source that a request names: the members of FunctionCode or of UpdateFunctionCode.

    Raises InvalidParameterValueException for none, for two, and for one that this version does not have.
    """
    inline = code.get("ZipFile")
    foreign = [member for member in _FOREIGN if code.get(member)]
    if inline is not None and foreign:
        raise InvalidParameterValueException(
            "Please do not provide other FunctionCode parameters when providing a ZipFile."
        )
    for member in (*foreign, *(member for member in _UNAVAILABLE if code.get(member))):
        raise InvalidParameterValueException(
            f"{member} is not supported by this version of Lamina yet. Provide the code as ZipFile."
        )
    if inline is None:
        raise InvalidParameterValueException("Please provide a source for function code.")
    return InlineZip(inline)
