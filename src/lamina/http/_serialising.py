"""From results and errors to responses, by the service model."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, NamedTuple
from uuid import uuid4

import orjson

from lamina.errors import ServiceError
from lamina.http._model import ErrorShape, Layout, Member, Operation, ServiceModel, Shape

Headers = list[tuple[bytes, bytes]]

_CONTENT_TYPE = (b"content-type", b"application/json")
_WITHOUT_BODY = frozenset({204, 304})


class Response(NamedTuple):
    """An answer: its status, its headers with lower-case names, and its whole body."""

    status: int
    headers: Headers
    body: bytes


def serialise(operation: Operation, result: Mapping[str, Any], request_id: str | None = None) -> Response:
    """The response of a success. Members that are None, or that the model does not know, are left out.

    Datetimes become epoch seconds with fractions, bytes become base64 unless they are the whole body. Without a
    ``request_id`` the response has a new one.
    """
    layout = operation.output
    if layout is None:
        return _response(operation.status, [], b"", request_id)
    status = operation.status
    if layout.status is not None:
        status = result.get(layout.status.name) or status
    headers = list(_header_members(layout, result))
    return _response(status, headers, _body(layout, result), request_id)


def serialise_error(model: ServiceModel, error: ServiceError, request_id: str | None = None) -> Response:
    """The response of an error: status, case of the message key and ``Type`` as the model has them for its code.

    A code that the model does not have is ``{"message": ...}`` with the status of its class. Members of the error that
    the model binds to headers, such as Retry-After, are sent as headers.
    """
    headers: Headers = [(b"x-amzn-errortype", error.code.encode())]
    shape = model.errors.get(error.code)
    if shape is None:
        return _response(error.status, headers, orjson.dumps({"message": error.message}), request_id)
    headers += ((shape.headers[n].lower().encode(), _header(v)) for n, v in error.members.items() if n in shape.headers)
    return _response(shape.status, headers, _error_body(shape, error), request_id)


def _error_body(shape: ErrorShape, error: ServiceError) -> bytes:
    document: dict[str, str | None] = {"Type": shape.fault} if error.typed and shape.fault else {}
    document[shape.message_key] = error.message
    document.update((name, value) for name, value in error.members.items() if name not in shape.headers)
    return orjson.dumps(document)


def _response(status: int, headers: Headers, body: bytes, request_id: str | None) -> Response:
    headers.append((b"x-amzn-requestid", (request_id or str(uuid4())).encode()))
    if status in _WITHOUT_BODY:
        return Response(status, headers, b"")
    if body and not any(name == b"content-type" for name, _ in headers):
        headers.append(_CONTENT_TYPE)
    headers.append((b"content-length", str(len(body)).encode()))
    return Response(status, headers, body)


def _header_members(layout: Layout, result: Mapping[str, Any]) -> Iterable[tuple[bytes, bytes]]:
    for name, member in layout.headers.items():
        value = result.get(member.name)
        if value is not None:
            yield name, _header(_header_text(value))


def _header_text(value: Any) -> str:
    if isinstance(value, datetime):
        return format_datetime(value.astimezone(UTC), usegmt=True)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _header(text: str) -> bytes:
    """One line of Latin-1, whatever the value: no value can add a header."""
    return " ".join(str(text).splitlines()).encode("latin-1", "replace").replace(b"\0", b"")


def _body(layout: Layout, result: Mapping[str, Any]) -> bytes:
    if layout.payload is None:
        return orjson.dumps(_structure(layout.shape.members, result))
    value = result.get(layout.payload.name)
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    return value.encode() if isinstance(value, str) else orjson.dumps(_to_json(layout.payload.shape, value))


def _structure(members: Mapping[str, Member], result: Mapping[str, Any]) -> dict[str, Any]:
    return {
        member.wire_name: _to_json(member.shape, value)
        for name, value in result.items()
        if value is not None and (member := members.get(name)) is not None and member.location == "body"
    }


def _to_json(shape: Shape, value: Any) -> Any:
    if shape.kind == "structure":
        return _structure(shape.members, value)
    element = shape.element
    if element is not None and shape.kind == "list":
        return [_to_json(element, item) for item in value]
    if element is not None:
        return {key: _to_json(element, item) for key, item in value.items()}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return _moment(shape, value) if isinstance(value, datetime) else value


def _moment(shape: Shape, value: datetime) -> float | str:
    if shape.timestamp_format == "iso8601" or shape.kind == "string":
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value.timestamp()
