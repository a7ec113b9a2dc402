"""From the parts of a request to the members of an operation's input, by their names in the model."""

from __future__ import annotations

import binascii
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson

from lamina.errors import SerializationException
from lamina.http._large import Cut, cut
from lamina.http._model import Layout, Member, Operation, Shape

_INTEGERS = {"integer": ("an Integer", 2**31), "long": ("a Long", 2**63)}


def parse(
    operation: Operation,
    path_parameters: Mapping[str, str],
    query_string: bytes,
    headers: Iterable[tuple[bytes, bytes]],
    body: bytes | bytearray,
) -> dict[str, Any]:
    """The input of an operation: strings, ints, floats, bools, bytes (decoded), datetimes in UTC, dicts and lists.

    Header names are lower-case, as in ASGI. Members that are null count as absent, members that the model does not
    know are left out. Raises SerializationException when a value is not of its member's type; whether it obeys its
    constraints is for ``validate``.
    """
    layout = operation.input
    params: dict[str, Any] = {}
    for name, text in path_parameters.items():
        if member := layout.uri.get(name):
            params[member.name] = from_text(member.shape, text)
    if layout.query and query_string:
        _read_query(layout, query_string, params)
    if layout.headers or layout.header_maps:
        _read_headers(layout, headers, params)
    _read_body(layout, body, params)
    return params


def _read_query(layout: Layout, query_string: bytes, params: dict[str, Any]) -> None:
    for part in query_string.split(b"&"):
        raw_name, _, raw_value = part.partition(b"=")
        member = layout.query.get(_decoded(raw_name))
        if member is not None:
            _put(member, _decoded(raw_value), params)


def _put(member: Member, text: str, params: dict[str, Any]) -> None:
    if member.shape.kind == "list" and member.shape.element is not None:
        params.setdefault(member.name, []).append(from_text(member.shape.element, text))
    else:
        params[member.name] = from_text(member.shape, text)


def _decoded(raw: bytes) -> str:
    return unquote_to_bytes(raw.replace(b"+", b" ")).decode("utf-8", "replace")


def _read_headers(layout: Layout, headers: Iterable[tuple[bytes, bytes]], params: dict[str, Any]) -> None:
    for name, value in headers:
        if member := layout.headers.get(name):
            for text in _header_texts(member, value.decode("latin-1")):
                _put(member, text, params)
        for prefix, member in layout.header_maps.items():
            if name.startswith(prefix):
                key = name[len(prefix) :].decode("latin-1")
                params.setdefault(member.name, {})[key] = value.decode("latin-1")


def _header_texts(member: Member, text: str) -> list[str]:
    return [part.strip() for part in text.split(",")] if member.shape.kind == "list" else [text]


def _read_body(layout: Layout, body: bytes | bytearray, params: dict[str, Any]) -> None:
    payload = layout.payload
    if not body or not (payload or layout.body):
        return
    if payload is None:
        params.update(_members(layout.body, body))
    elif payload.shape.kind == "blob":
        params[payload.name] = bytes(body)
    elif payload.shape.kind == "string":
        params[payload.name] = body.decode("utf-8", "replace")
    else:
        params[payload.name] = _from_json(payload.shape, _document(body))


def _members(members: Mapping[str, Member], body: bytes | bytearray) -> dict[str, Any]:
    if (large := cut(body)) is not None:
        try:
            return _structure(members, large.restore(_document(large.rest)))
        except SerializationException:
            pass  # It is not where a blob belongs: the plain way has the message for that.
    return _structure(members, _document(body))


def _document(body: bytes | bytearray) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise SerializationException(f"Could not parse request body into json: {error}") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise SerializationException("Could not parse request body into json: the body is not a JSON object")
    return document


def _structure(members: Mapping[str, Member], document: dict[str, Any]) -> dict[str, Any]:
    return {
        member.name: _from_json(member.shape, value)
        for name, value in document.items()
        if value is not None and (member := members.get(name)) is not None
    }


def _from_json(shape: Shape, value: Any) -> Any:
    return _READERS[shape.kind](shape, value)


def _read_structure(shape: Shape, value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise SerializationException(_collection_expected("map", value))
    return _structure(shape.wire_members, value)


def _read_list(shape: Shape, value: Any) -> list[Any]:
    element = shape.element
    if type(value) is not list or element is None:
        raise SerializationException(_collection_expected("list", value))
    read = _READERS[element.kind]
    return [None if item is None else read(element, item) for item in value]


def _read_map(shape: Shape, value: Any) -> dict[str, Any]:
    element = shape.element
    if type(value) is not dict or element is None:
        raise SerializationException(_collection_expected("map", value))
    read = _READERS[element.kind]
    return {key: None if item is None else read(element, item) for key, item in value.items()}


def _read_string(_: Shape, value: Any) -> str:
    if type(value) is not str:
        raise SerializationException(_scalar_expected("a String", value))
    return value


def _read_boolean(_: Shape, value: Any) -> bool:
    if type(value) is not bool:
        raise SerializationException(_scalar_expected("a Boolean", value))
    return value


def _read_integer(shape: Shape, value: Any) -> int:
    wanted, limit = _INTEGERS[shape.kind]
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or not -limit <= value < limit:
        raise SerializationException(_scalar_expected(wanted, value))
    return value


def _read_double(_: Shape, value: Any) -> float:
    if type(value) is not float and type(value) is not int:
        raise SerializationException(_scalar_expected("a Double", value))
    return float(value)


def _read_blob(_: Shape, value: Any) -> bytes:
    if type(value) is Cut:
        return value.data
    if type(value) is not str:
        raise SerializationException(_scalar_expected("a Blob", value))
    try:
        # The strict mode allows padding after a whole group.
        if len(value) % 4 == 0:
            return binascii.a2b_base64(value, strict_mode=True)
    except ValueError:
        pass
    raise SerializationException("STRING_VALUE can not be decoded from base64")


def _read_timestamp(_: Shape, value: Any) -> datetime:
    try:
        if type(value) is str:
            return _from_iso(value)
        if type(value) in (int, float) and math.isfinite(value):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise SerializationException(_scalar_expected("a Timestamp", value))


def _from_iso(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


_READERS: Mapping[str, Callable[[Shape, Any], Any]] = MappingProxyType(
    {
        "structure": _read_structure,
        "list": _read_list,
        "map": _read_map,
        "string": _read_string,
        "boolean": _read_boolean,
        "integer": _read_integer,
        "long": _read_integer,
        "double": _read_double,
        "float": _read_double,
        "blob": _read_blob,
        "timestamp": _read_timestamp,
    }
)


def from_text(shape: Shape, text: str) -> Any:
    """A scalar that travels as text. Raises SerializationException."""
    """A member of the path, the query or a header."""
    if shape.kind == "string":
        return text
    if shape.kind in _INTEGERS:
        digits = text.removeprefix("-")
        return _read_integer(shape, int(text) if digits.isascii() and digits.isdigit() and len(digits) < 20 else text)
    if shape.kind == "boolean":
        return _read_boolean(shape, {"true": True, "false": False}.get(text.lower(), text))
    if shape.kind == "timestamp":
        return _read_timestamp(shape, int(text) if text.isascii() and text.isdigit() and len(text) < 20 else text)
    return _from_double_text(text)


def _from_double_text(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise SerializationException(_scalar_expected("a Double", text)) from None
    if not math.isfinite(value):
        raise SerializationException(_scalar_expected("a Double", text))
    return value


def _collection_expected(wanted: str, value: Any) -> str:
    if isinstance(value, list):
        return "Start of list found where not expected."
    if isinstance(value, dict):
        return "Start of structure or map found where not expected."
    return f"Expected {wanted} or null"


def _scalar_expected(wanted: str, value: Any) -> str:
    if isinstance(value, list | dict):
        return _collection_expected(wanted, value)
    if isinstance(value, bool):
        return f"{str(value).upper()}_VALUE can not be converted to {wanted}"
    token = "STRING_VALUE" if isinstance(value, str) else "NUMBER_VALUE"
    return f"{token} can not be converted to {wanted}"
