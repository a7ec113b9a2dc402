"""Verify and stage: what every zip goes through, wherever it came from."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from lamina.deploy._interface import Bytes, Code, Order, Rooms
from lamina.deploy._step import Steps
from lamina.errors import InvalidParameterValueException, RequestEntityTooLargeException

_log = logging.getLogger("lamina.deploy")


async def take_zip(
    data: Bytes, largest: int, order: Order, rooms: Rooms, step: Steps, *, keep_zip: bool = True
) -> Code:
    """The code of a zip, stored durable and read-only before anything refers to it.

    Inflating and hashing happen in worker threads: they must not hold up the event loop.
    """
    with step("verify"):
        check_size(data, largest)
        signature = await rooms.verification.check(data, order.trust, order.key.name)
    with step("stage"):
        package = await asyncio.to_thread(
            rooms.packages.stage, data, largest=largest, sealing=order.sealing, keep_zip=keep_zip
        )
    code = Code(
        origin=order.source.origin,
        architecture=order.architecture,
        package=package.name,
        code_sha256=package.code_sha256,
        code_size=package.code_size,
        kms_key=order.kms_key,
        signing_profile_version_arn=signature.profile_version_arn if signature else "",
        signing_job_arn=signature.job_arn if signature else "",
        native=foreign(package.native, order.architecture),
        trust=order.trust,
    )
    _warn_of_foreign(code, order)
    return code


def check_size(data: Bytes, largest: int) -> None:
    """Refuse an empty zip (400) and one of more than ``largest`` bytes (413)."""
    if len(data) > largest:
        raise RequestEntityTooLargeException(f"Zipped size must be smaller than {largest} bytes")
    if not data:
        raise InvalidParameterValueException("Uploaded file must be a non-empty zip")


def foreign(native: Mapping[str, tuple[str, ...]] | None, architecture: str) -> Mapping[str, tuple[str, ...]]:
    """The machine code that the architecture cannot run; nothing where the package has code for it as well."""
    if not native or architecture in native:
        return {}
    return native


def _warn_of_foreign(code: Code, order: Order) -> None:
    for architecture, paths in (code.native or {}).items():
        _log.warning(
            "%s: the package has native code for %s, and the function runs on %s: %s",
            order.key.arn,
            architecture,
            order.architecture,
            ", ".join(paths),
        )
