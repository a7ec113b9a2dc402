"""GetFunction, GetFunctionConfiguration and ListFunctions (API notes, section 10)."""

from __future__ import annotations

from lamina.functions._live import Call
from lamina.functions._pages import page, page_size, page_start
from lamina.functions._plane import Answer, Params, Plane, target_of
from lamina.functions._records import Function, Version
from lamina.functions._store import functions_from, resolve, tags_of, versions_from
from lamina.functions._versions import version_position
from lamina.functions._views import code_answer, configuration_answer, listed_answer
from lamina.state import Reader

_Entry = tuple[Function, Version]


async def get_function(plane: Plane, call: Call, params: Params) -> Answer:
    """GetFunction; Tags and Concurrency are there only when there are any."""
    target = target_of(call, "GetFunction", params)

    def work(reader: Reader) -> tuple[Function, Version, dict[str, str]]:
        function, version = resolve(reader, target)
        return function, version, tags_of(reader, function)

    function, version, tags = await plane.state.read(work)
    location = plane.locate(call, target.key, version.number, version.configuration.package)
    answer: Answer = {
        "Configuration": configuration_answer(target.key, version, target.qualifier),
        "Code": code_answer(version.configuration, location),
    }
    if tags:
        answer["Tags"] = tags
    if function.reserved_concurrency is not None:
        answer["Concurrency"] = {"ReservedConcurrentExecutions": function.reserved_concurrency}
    return answer


async def get_function_configuration(plane: Plane, call: Call, params: Params) -> Answer:
    """GetFunctionConfiguration."""
    target = target_of(call, "GetFunctionConfiguration", params)
    _, version = await plane.state.read(lambda reader: resolve(reader, target))
    return configuration_answer(target.key, version, target.qualifier)


async def list_functions(plane: Plane, call: Call, params: Params) -> Answer:
    """ListFunctions by name; with FunctionVersion=ALL every version of each, and then all ARNs are qualified."""
    if params.get("MasterRegion") not in (None, "", "ALL", call.region):
        return {"Functions": []}
    if params.get("FunctionVersion") == "ALL":
        return await _list_versions(plane, call, params)
    size = page_size(params)
    start = page_start(params, "functions", "")
    found = await plane.state.read(lambda reader: functions_from(reader, call.account_id, call.region, start, size + 1))
    return page(
        "Functions",
        "functions",
        found,
        size,
        position=lambda function: function.key.name,
        view=lambda function: listed_answer(function.key, function.latest),
    )


async def _list_versions(plane: Plane, call: Call, params: Params) -> Answer:
    size = page_size(params)
    start = page_start(params, "functions and versions", ("", 0))
    found = await plane.state.read(lambda reader: _versions_from(reader, call, start, size + 1))
    return page(
        "Functions",
        "functions and versions",
        found,
        size,
        position=lambda entry: (entry[0].key.name, version_position(entry[1])),
        view=lambda entry: listed_answer(entry[0].key, entry[1], entry[1].number),
    )


def _versions_from(reader: Reader, call: Call, start: tuple[str, int], count: int) -> list[_Entry]:
    name, number = start
    found: list[_Entry] = []
    # Each function has at least $LATEST; only the first may have nothing left, when its versions were deleted.
    for function in functions_from(reader, call.account_id, call.region, name, count + 1):
        first = number if function.key.name == name else 0
        versions = versions_from(reader, function, first, count - len(found))
        found += [(function, version) for version in versions]
        if len(found) == count:
            break
    return found
