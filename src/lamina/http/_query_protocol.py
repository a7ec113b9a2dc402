"""Other services on the same endpoint: AWS Query, where a form names the operation and answers are XML."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from lamina.errors import (
    AccessDeniedException,
    ExpiredTokenException,
    IncompleteSignatureException,
    InvalidSignatureException,
    MissingAuthenticationTokenException,
    NotImplementedException,
    SerializationException,
    ServiceError,
    UnrecognizedClientException,
    ValidationException,
)
from lamina.functions import Call
from lamina.http._model import Operation, ServiceModel, Shape
from lamina.http._operations import Handler
from lamina.http._parsing import from_text
from lamina.http._request import Request
from lamina.http._serialising import Response
from lamina.http._validation import validate

LIMIT = 65_536
"""The most bytes that a request may have."""

_FORM = b"application/x-www-form-urlencoded"
_MOST_FIELDS = 1000
_NAMESPACES = {"sts": "https://sts.amazonaws.com/doc/2011-06-15/"}
_CODES: dict[type[ServiceError], str] = {
    UnrecognizedClientException: "InvalidClientTokenId",
    ExpiredTokenException: "ExpiredToken",
    InvalidSignatureException: "SignatureDoesNotMatch",
    IncompleteSignatureException: "IncompleteSignature",
    MissingAuthenticationTokenException: "MissingAuthenticationToken",
    AccessDeniedException: "AccessDenied",
    ValidationException: "ValidationError",
    SerializationException: "MalformedInput",
    NotImplementedException: "NotImplemented",
}
# XML 1.0 has no place for these, not even escaped.
_NOT_XML = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 65534, 65535, *range(55296, 57344)))
_SERVER_FAULT = 500


class InvalidAction(ServiceError):
    """The service has no operation of that name."""


class _Service(NamedTuple):
    model: ServiceModel
    handlers: Mapping[str, Handler]


class QueryProtocol:
    """Answers services of the Query protocol by their signing names; a model is loaded for the first request to it."""

    def __init__(self, services: Mapping[str, Mapping[str, Handler]]) -> None:
        self._services = services
        self._models: dict[str, ServiceModel] = {}

    def serves(self, service: str) -> bool:
        """Whether requests that are signed for the service belong here."""
        return service in self._services

    async def answer(self, service: str, request: Request, call: Call, body: bytes) -> Response:
        """Run the operation that ``Action`` names."""
        if service not in self._models:
            self._models[service] = await asyncio.to_thread(ServiceModel.load, service)
        fields = _fields(request.query_string, body)
        name = fields.get("Action", "")
        operation = self._models[service].operations.get(name)
        if operation is None:
            raise InvalidAction(f"Could not find operation {name} for version {fields.get('Version', 'NO_VERSION')}")
        handler = self._services[service].get(name)
        if handler is None:
            raise NotImplementedException(f"The operation {name} of the {service} service is not part of Lamina.")
        params = _structure(operation.input.shape, "", fields)
        validate(operation, params)
        return _response(200, _success(service, operation, await handler(call, params), request.id), request)


def is_query(request: Request) -> bool:
    """Whether an error of the request should be in this protocol's form: it is one, whatever else is wrong with it."""
    if request.fields.get(b"content-type", b"").startswith(_FORM) and request.raw_path == b"/":
        return b"x-amz-target" not in request.fields
    return b"/sts/aws4_request" in request.fields.get(b"authorization", b"")


def error_response(request: Request, error: ServiceError) -> Response:
    """An error as XML, with the codes that services of this protocol have."""
    code = next((code for kind, code in _CODES.items() if isinstance(error, kind)), error.code)
    fault = "Receiver" if error.status >= _SERVER_FAULT else "Sender"
    text = (
        f'<ErrorResponse xmlns="{_NAMESPACES["sts"]}">\n  <Error>\n    <Type>{fault}</Type>\n'
        f"    <Code>{code}</Code>\n    <Message>{_text(error.message or '')}</Message>\n  </Error>\n"
        f"  <RequestId>{request.id}</RequestId>\n</ErrorResponse>\n"
    )
    return _response(error.status, text, request)


def _fields(query_string: bytes, body: bytes) -> dict[str, str]:
    try:
        pairs = [
            pair
            for part in (query_string, body)
            for pair in parse_qsl(part.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
        ]
    except ValueError:
        raise SerializationException("The request is not a form.") from None
    return dict(pairs)


def _structure(shape: Shape, prefix: str, fields: Mapping[str, str]) -> dict[str, Any]:
    params = {}
    for member in shape.members.values():
        value = _value(member.shape, prefix + member.wire_name, fields)
        if value is not None:
            params[member.name] = value
    return params


def _value(shape: Shape, name: str, fields: Mapping[str, str]) -> Any:
    """The value at ``name``, None when the form has none."""
    if shape.kind == "structure":
        return _structure(shape, name + ".", fields) or None
    if shape.kind == "list" and shape.element is not None:
        prefix = name + ".member."
        numbers = {field.removeprefix(prefix).partition(".")[0] for field in fields if field.startswith(prefix)}
        ordered = sorted(int(number) for number in numbers if number.isdecimal() and len(number) < 10)
        return [_value(shape.element, f"{prefix}{number}", fields) for number in ordered] or None
    return from_text(shape, fields[name]) if name in fields else None


def _success(service: str, operation: Operation, result: Mapping[str, Any], request_id: str) -> str:
    name = operation.name
    content = _elements(operation.output.shape, result) if operation.output is not None else ""
    return (
        f'<{name}Response xmlns="{_NAMESPACES[service]}">\n  <{name}Result>{content}</{name}Result>\n'
        f"  <ResponseMetadata>\n    <RequestId>{request_id}</RequestId>\n  </ResponseMetadata>\n</{name}Response>\n"
    )


def _elements(shape: Shape, value: Mapping[str, Any]) -> str:
    members = [(member, value.get(name)) for name, member in shape.members.items()]
    return "".join(
        f"<{member.wire_name}>{_content(member.shape, given)}</{member.wire_name}>"
        for member, given in members
        if given is not None
    )


def _content(shape: Shape, value: Any) -> str:
    if shape.kind == "structure":
        return _elements(shape, value)
    if shape.kind == "list" and shape.element is not None:
        return "".join(f"<member>{_content(shape.element, item)}</member>" for item in value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return _text(str(value).lower() if isinstance(value, bool) else str(value))


def _text(text: str) -> str:
    return escape(text.translate(_NOT_XML))


def _response(status: int, text: str, request: Request) -> Response:
    body = text.encode()
    headers = [
        (b"content-type", b"text/xml"),
        (b"content-length", b"%d" % len(body)),
        (b"x-amzn-requestid", request.id.encode()),
    ]
    return Response(status, headers, body)
