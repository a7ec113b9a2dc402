"""Environment variables: sealed before they reach the state, opened only for answers and for environments."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from lamina.errors import ServiceError, ServiceException
from lamina.functions._live import FunctionKey, Secrets
from lamina.functions._plane import Answer
from lamina.functions._views import Sealed
from lamina.kms import SealBroken

_log = logging.getLogger("lamina.functions")

_LISTS = ("Functions", "Versions")


async def revealed(secrets: Secrets, answer: Answer) -> Answer:
    """The answer with its environment variables open.

    Where a key cannot be used the API puts the error in place of the variables (EnvironmentResponse).
    """
    opened = await _opened(secrets, answer)
    if "Configuration" in opened:
        opened["Configuration"] = await _opened(secrets, opened["Configuration"])
    for member in _LISTS:
        if member in opened:
            opened[member] = [await _opened(secrets, entry) for entry in opened[member]]
    return opened


async def _opened(secrets: Secrets, configuration: Mapping[str, Any]) -> dict[str, Any]:
    sealed = configuration.get("Environment")
    if not isinstance(sealed, Sealed):
        return dict(configuration)
    try:
        environment: dict[str, Any] = {"Variables": await secrets.unseal(sealed.key, sealed.text)}
    except ServiceError as error:
        environment = {"Error": {"ErrorCode": error.code, "Message": error.message}}
    except SealBroken as error:
        _log.error("%s: the environment variables cannot be read: %s", sealed.key.arn, error)
        failure = ServiceException()
        environment = {"Error": {"ErrorCode": failure.code, "Message": failure.message}}
    return {**configuration, "Environment": environment}


async def sealed_again(secrets: Secrets, key: FunctionKey, sealed: str | None, kms_key: str, role: str) -> str | None:
    """The same variables under another key. Raises ServiceErrors of either key."""
    if sealed is None:
        return None
    return await secrets.seal(key, await secrets.unseal(key, sealed, role), kms_key, role)
