"""Where invocations go."""

from __future__ import annotations

from lamina.errors import SnapStartNotReadyException
from lamina.functions._live import LiveVersion, Route
from lamina.functions._messages import function_not_found, wrong_state
from lamina.functions._names import Target
from lamina.functions._records import INVOCABLE, LATEST, Alias, Function, live
from lamina.functions._rules import is_unqualified
from lamina.functions._store import find_alias, find_function, find_version, provisioned_in_account, usage_of
from lamina.state import Reader


def route_of(reader: Reader, target: Target) -> Route:
    """The route of a target. Raises the errors of Invoke: not found (2.11), Pending or Failed (4.5)."""
    function = find_function(reader, target.key)
    targets = None if function is None else _targets(reader, function, target.qualifier)
    if function is None or targets is None:
        raise function_not_found(f"{target.key.arn}:{target.qualifier or LATEST}")
    account = target.key[:2]
    return Route(
        key=target.key,
        invoked_arn=target.arn,
        targets=targets,
        reserved_concurrency=function.reserved_concurrency,
        reserved_in_account=usage_of(reader, *account).reserved_concurrency + provisioned_in_account(reader, *account),
    )


def _targets(reader: Reader, function: Function, qualifier: str | None) -> tuple[tuple[float, LiveVersion], ...] | None:
    if is_unqualified(qualifier):
        return ((1.0, _latest(function)),)
    version = _published(reader, function, qualifier or "")
    if version is not None:
        return ((1.0, version),)
    alias = find_alias(reader, function, qualifier or "")
    return None if alias is None else _weighted(reader, function, alias)


def _weighted(reader: Reader, function: Function, alias: Alias) -> tuple[tuple[float, LiveVersion], ...] | None:
    main = _latest(function) if alias.version == LATEST else _published(reader, function, alias.version)
    if main is None:
        return None
    number, weight = alias.additional or ("", 0.0)
    additional = _published(reader, function, number) if weight > 0 else None
    if additional is None:
        return ((1.0, main),)
    return ((1.0, additional),) if weight >= 1 else ((weight, additional), (1.0, main))


def _latest(function: Function) -> LiveVersion:
    if function.state.value not in INVOCABLE or function.serving is None:
        raise wrong_state(function.state.value)
    return live(function.key, LATEST, function.serving)


def _published(reader: Reader, function: Function, number: str) -> LiveVersion | None:
    version = None if number == LATEST else find_version(reader, function, number)
    if version is None:
        return None
    if version.state.value not in INVOCABLE:
        if version.state.value == "Pending" and version.configuration.optimised:
            raise SnapStartNotReadyException
        raise wrong_state(version.state.value)
    return live(function.key, version.number, version.configuration)
