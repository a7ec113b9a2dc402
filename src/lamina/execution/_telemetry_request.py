"""A request to subscribe, checked: what is wanted, how much at a time, and where to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson

from lamina.execution._rejected import Rejected
from lamina.execution._telemetry_events import LOGS_SCHEMAS, TELEMETRY_SCHEMAS

TELEMETRY_PATH = "/2022-07-01/telemetry"
LOGS_PATH = "/2020-08-15/logs"
_TYPES = ("platform", "function", "extension")
_HOSTS = {"sandbox", "sandbox.localdomain"}
_RUNTIME_API_PORT = 9001
# Name: default, least, most.
_BUFFERING = {"maxItems": (10_000, 1_000, 10_000), "maxBytes": (262_144, 262_144, 1_048_576)}
_BUFFERING |= {"timeoutMs": (1_000, 25, 30_000)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """An address inside the sandbox; ``method`` is empty for TCP."""

    port: int
    method: str = ""
    path: str = "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What one extension wants."""

    name: str
    schema: str
    types: tuple[str, ...]
    max_items: int
    max_bytes: int
    timeout_ms: int
    destination: Destination


def subscription(name: str, path: str, body: bytes) -> Subscription:
    """The wish of the extension ``name``. Raises ``Rejected`` with all that is wrong with it."""
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError:
        request = None
    if not isinstance(request, dict):
        raise _invalid("Could not parse the request body")
    schemas = TELEMETRY_SCHEMAS if path == TELEMETRY_PATH else LOGS_SCHEMAS
    schema = request.get("schemaVersion", schemas[0])
    wrong = [] if schema in schemas else [f"schemaVersion should be one of {list(schemas)}"]
    types = _types(request.get("types"), wrong)
    limits = _limits(request.get("buffering") or {}, wrong)
    destination = _destination(request.get("destination"), wrong)
    if wrong or destination is None:
        raise _invalid("; ".join(wrong))
    items, size, timeout = limits
    return Subscription(name=name, schema=schema, types=types, max_items=items, max_bytes=size, timeout_ms=timeout,
                        destination=destination)  # fmt: skip


def _types(given: Any, wrong: list[str]) -> tuple[str, ...]:
    if not isinstance(given, list) or not given:
        wrong.append("types should not be empty")
        return ()
    unknown = [each for each in given if each not in _TYPES]
    if unknown:
        wrong.append(f"types should be among {list(_TYPES)}")
        return ()
    return tuple(dict.fromkeys(given))


def _limits(given: Any, wrong: list[str]) -> list[int]:
    if not isinstance(given, dict):
        wrong.append("buffering should be an object")
        return [0, 0, 0]
    limits = []
    for name, (default, least, most) in _BUFFERING.items():
        value = given.get(name, default)
        if type(value) is not int or not least <= value <= most:
            wrong.append(f"{name} should be between {least} and {most}")
            value = default
        limits.append(value)
    return limits


def _destination(given: Any, wrong: list[str]) -> Destination | None:
    if not isinstance(given, dict):
        wrong.append("destination should not be empty")
        return None
    protocol = str(given.get("protocol", "")).upper()
    if protocol not in {"HTTP", "TCP"}:
        wrong.append("protocol should be HTTP or TCP")
        return None
    uri = str(given.get("URI") or given.get("uri") or "")
    if not uri.isprintable() or " " in uri:
        wrong.append("URI is not valid")
    try:
        parts = urlsplit(uri)
        port = given.get("port") if protocol == "TCP" and "port" in given else parts.port
    except ValueError:
        wrong.append("URI is not valid")
        return None
    if type(port) is not int or not 0 < port < 65_536:
        wrong.append("URI port is not provided")
        return None
    if parts.hostname is not None and parts.hostname not in _HOSTS:
        wrong.append("URI host should be sandbox.localdomain")
    if port == _RUNTIME_API_PORT:
        wrong.append(f"URI port {port} is not allowed")
    if protocol == "TCP":
        return Destination(port=port)
    method = str(given.get("method", "POST")).upper()
    if parts.scheme != "http" or parts.hostname is None:
        wrong.append("URI should begin with http://sandbox.localdomain")
    if method not in {"POST", "PUT"}:
        wrong.append("method should be POST or PUT")
    query = f"?{parts.query}" if parts.query else ""
    return Destination(port=port, method=method, path=(parts.path or "/") + query)


def _invalid(message: str) -> Rejected:
    return Rejected(400, "ValidationError", message)
