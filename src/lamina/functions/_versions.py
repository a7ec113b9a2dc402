"""PublishVersion and ListVersionsByFunction (API notes, section 8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lamina.functions._live import Call, FunctionKey
from lamina.functions._messages import other_code, wrong_state
from lamina.functions._pages import page, page_size, page_start
from lamina.functions._plane import Answer, Params, Plane, target_of
from lamina.functions._records import ACTIVE, CREATING, INVOCABLE, LATEST, SUCCESSFUL, Function, Version
from lamina.functions._rules import check_publish_to, check_revision, check_settled, check_storage, publish
from lamina.functions._store import need_function, save_function, version_of_edition, versions_from
from lamina.functions._views import configuration_answer, listed_answer
from lamina.state import Reader, Transaction


async def publish_version(plane: Plane, call: Call, params: Params) -> Answer:
    """PublishVersion: a version of $LATEST, or the last one when $LATEST has not been updated since."""
    key = target_of(call, "PublishVersion", params).function
    check_publish_to(params)
    limit = plane.settings.code_storage
    version = await plane.state.write(lambda transaction: _publish(transaction, key, params, limit))
    if version.state == CREATING:
        plane.snap_start.look(key)
    return configuration_answer(key, version, version.number)


async def list_versions_by_function(plane: Plane, call: Call, params: Params) -> Answer:
    """ListVersionsByFunction: $LATEST, then the versions by number."""
    key = target_of(call, "ListVersionsByFunction", params).function
    size, list_of = page_size(params), f"versions {key.name}"
    start = page_start(params, list_of, 0)

    def work(reader: Reader) -> list[Version]:
        return versions_from(reader, need_function(reader, key), start, size + 1)

    found = await plane.state.read(work)
    return page(
        "Versions",
        list_of,
        found,
        size,
        position=version_position,
        view=lambda version: listed_answer(key, version, version.number),
    )


def version_position(version: Version) -> int:
    """The place of a version in a list of them: $LATEST is first."""
    return 0 if version.number == LATEST else int(version.number)


def _publish(transaction: Transaction, key: FunctionKey, params: Mapping[str, Any], limit: int) -> Version:
    function = need_function(transaction, key)
    check_revision(params.get("RevisionId"), function.revision_id)
    check_settled(function)
    if function.state.value not in INVOCABLE:
        raise wrong_state(function.state.value)
    _check_code(function, params.get("CodeSha256"))
    existing = version_of_edition(transaction, function, function.shown.deployment)
    if existing is not None:
        return existing
    check_storage(transaction, key, function.shown.code_size, limit)
    configuration = function.shown
    if params.get("Description") is not None:
        configuration = replace(configuration, description=params["Description"])
    state, update = (CREATING, None) if configuration.optimised else (ACTIVE, SUCCESSFUL)
    function, version = publish(transaction, function, configuration, state, update)
    save_function(transaction, function)
    return version


def _check_code(function: Function, given: str | None) -> None:
    if given is not None and given != function.shown.code_sha256:
        raise other_code(given, function.shown.code_sha256)
