"""Why a zip was refused, in detail, and what the service answers then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lamina.errors import InvalidParameterValueException
from lamina.packages._limits import PackageLimits


class BadZip(Exception):
    """The bytes are no zip, or one that is not unpacked; the message says where and why."""


class EmptyZip(Exception):
    """The zip has no members."""


class UnpackedTooLarge(Exception):
    """The files of the zip are too large together."""


@contextmanager
def refusals_answered(limits: PackageLimits) -> Iterator[None]:
    """Raise the service's error for each refusal in the block; the refusal is its ``__cause__``."""
    try:
        yield
    except BadZip as refusal:
        raise InvalidParameterValueException(
            "Could not unzip uploaded file. Please check your file, then try to upload again."
        ) from refusal
    except EmptyZip as refusal:
        raise InvalidParameterValueException("Uploaded file must be a non-empty zip") from refusal
    except UnpackedTooLarge as refusal:
        raise InvalidParameterValueException(f"Unzipped size must be smaller than {limits.unpacked} bytes") from refusal
