"""The service model: botocore's JSON, read at run time and compiled into plain records.

The hot paths read these records only. Nothing of the documentation is kept.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl

import orjson
from botocore.loaders import Loader

from lamina.http._recorded import CHECKED_FIRST, RECORDED

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shape:
    """One type of the model and its constraints.

    ``minimum`` and ``maximum`` bound a number's value or else a length. ``enum`` is what is accepted, ``shown`` what
    the service prints. ``element`` is what a list or a map holds, ``key`` a map's key. ``members`` are a structure's,
    by name and by name on the wire; ``checked`` those that can break a constraint, in the order in which the service
    reports them. ``sparse`` and ``bare`` are two recorded ways to print a list's element constraint (``_recorded``).
    """

    name: str
    kind: str
    minimum: float | None = None
    maximum: float | None = None
    pattern: str | None = None
    enum: frozenset[str] | None = None
    shown: str = ""
    sensitive: bool = False
    sparse: bool = False
    bare: bool = False
    timestamp_format: str | None = None
    element: Shape | None = None
    key: Shape | None = None
    members: Mapping[str, Member] = field(default_factory=dict)
    wire_members: Mapping[str, Member] = field(default_factory=dict)
    checked: Sequence[Member] = ()

    @property
    def is_constrained(self) -> bool:
        """Whether a value of this shape can break a constraint."""
        return (
            self.kind in ("structure", "list", "map")
            or self.minimum is not None
            or self.maximum is not None
            or self.pattern is not None
            or self.enum is not None
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Member:
    """A member of a structure: its name in Python, on the wire and in messages (``label``), and where it travels."""

    name: str
    wire_name: str
    label: str
    location: str
    required: bool
    shape: Shape


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layout:
    """Where the members of an operation's input or output travel, each by its name on the wire.

    Header names are lower-case. ``payload`` is the member that is the whole body, ``status`` the one that is the
    HTTP status.
    """

    shape: Shape
    uri: Mapping[str, Member]
    query: Mapping[str, Member]
    headers: Mapping[bytes, Member]
    header_maps: Mapping[bytes, Member]
    body: Mapping[str, Member]
    payload: Member | None
    status: Member | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Operation:
    """An operation: its route, the status of its success, and what goes in and out.

    ``fixed_query`` are the parameters that the route demands, such as ``find=LayerVersion``.
    """

    name: str
    method: str
    path: str
    fixed_query: frozenset[tuple[str, str]]
    status: int
    input: Layout
    output: Layout | None
    streams: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ErrorShape:
    """A modelled error: its status, the key of its message, whose fault it is, and its members that are headers.

    ``fault`` is what the member Type says; it is empty when the error has no such member.
    """

    code: str
    status: int
    message_key: str
    fault: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ServiceModel:
    """All operations and errors of one service, by name and by code."""

    service_name: str
    signing_name: str
    operations: Mapping[str, Operation]
    errors: Mapping[str, ErrorShape]

    @classmethod
    def load(cls, service_name: str) -> ServiceModel:
        """Read the newest model that botocore has. Raises botocore's ``UnknownServiceError``."""
        document = Loader(file_loader=_FileLoader()).load_service_model(service_name, "service-2")
        return _Compiler(service_name, document).service()


class _FileLoader:
    """botocore's ``JSONFileLoader`` on a quicker parser, whose results nobody keeps."""

    def exists(self, file_path: str) -> bool:
        return any(Path(file_path + suffix).is_file() for suffix in (".json", ".json.gz"))

    def load_file(self, file_path: str) -> Any:
        plain, packed = Path(file_path + ".json"), Path(file_path + ".json.gz")
        if plain.is_file():
            return orjson.loads(plain.read_bytes())
        return orjson.loads(gzip.decompress(packed.read_bytes())) if packed.is_file() else None


class _Compiler:
    """From the JSON of a model to its records. Shapes are shared, and may contain themselves."""

    def __init__(self, service_name: str, document: Json) -> None:
        self._service_name = service_name
        self._document = document
        self._shapes: Json = document["shapes"]
        self._recorded = RECORDED.get(service_name, {})
        self._compiled: dict[str, Shape] = {}
        self._nothing = self._layout_of(Shape(name="", kind="structure"), {})

    def service(self) -> ServiceModel:
        metadata = self._document["metadata"]
        operations = {name: self._operation(entry) for name, entry in self._document["operations"].items()}
        errors = {name: self._error(name, shape) for name, shape in self._shapes.items() if shape.get("exception")}
        return ServiceModel(
            service_name=self._service_name,
            signing_name=metadata.get("signingName", metadata["endpointPrefix"]),
            operations=MappingProxyType(operations),
            errors=MappingProxyType(errors),
        )

    def _operation(self, entry: Json) -> Operation:
        http = entry["http"]
        path, _, query = http["requestUri"].partition("?")
        output = self._layout(entry["output"]["shape"]) if "output" in entry else None
        return Operation(
            name=entry["name"],
            method=http["method"],
            path=path,
            fixed_query=frozenset(parse_qsl(query, keep_blank_values=True)),
            status=http.get("responseCode", 200),
            input=self._layout(entry["input"]["shape"]) if "input" in entry else self._nothing,
            output=output,
            streams=bool(output and output.payload and self._is_event_stream(output.payload.shape.name)),
        )

    def _is_event_stream(self, shape_name: str) -> bool:
        return bool(self._shapes[shape_name].get("eventstream"))

    def _layout(self, shape_name: str) -> Layout:
        return self._layout_of(self._shape(shape_name), self._shapes[shape_name])

    @staticmethod
    def _layout_of(shape: Shape, raw: Json) -> Layout:
        def at(location: str) -> dict[str, Member]:
            return {member.wire_name: member for member in shape.members.values() if member.location == location}

        payload = raw.get("payload")
        return Layout(
            shape=shape,
            uri=at("uri"),
            query=at("querystring"),
            headers={name.lower().encode(): member for name, member in at("header").items()},
            header_maps={name.lower().encode(): member for name, member in at("headers").items()},
            body={} if payload else at("body"),
            payload=shape.members[payload] if payload else None,
            status=next(iter(at("statusCode").values()), None),
        )

    def _error(self, code: str, raw: Json) -> ErrorShape:
        members: Json = raw["members"]
        fault = bool(raw.get("fault"))
        return ErrorShape(
            code=raw.get("error", {}).get("code", code),
            status=raw.get("error", {}).get("httpStatusCode", 500 if fault else 400),
            message_key="Message" if "Message" in members else "message",
            fault=("Service" if fault else "User") if "Type" in members else "",
            headers={n: m["locationName"] for n, m in members.items() if m.get("location") == "header"},
        )

    def _shape(self, name: str, member: str = "") -> Shape:
        """The shape of a name, or the variant of it that one ``Structure.Member`` was recorded to have."""
        variant = member if member in self._recorded else name
        if variant not in self._compiled:
            raw = {**self._shapes[name], **self._recorded.get(name, {}), **self._recorded.get(member, {})}
            self._compile(variant, name, raw)
        return self._compiled[variant]

    def _compile(self, variant: str, name: str, raw: Json) -> None:
        # A structure is registered before its members are compiled, for they may lead back to it.
        members: dict[str, Member] = {}
        wire_members: dict[str, Member] = {}
        checked: list[Member] = []
        nested = partial(self._nested, raw)
        shape = Shape(
            name=name,
            kind=raw["type"],
            minimum=raw.get("min"),
            maximum=raw.get("max"),
            pattern=raw.get("pattern"),
            enum=_accepted(raw) if "enum" in raw else None,
            shown=raw.get("shown", ", ".join(raw.get("enum", ()))),
            sensitive=raw.get("sensitive", False),
            sparse=raw.get("sparse", False),
            bare=raw.get("bare", False),
            timestamp_format=raw.get("timestampFormat"),
            element=nested("member") or nested("value"),
            key=nested("key"),
            members=MappingProxyType(members),
            wire_members=MappingProxyType(wire_members),
            checked=checked,
        )
        self._compiled[variant] = shape
        for member_name, entry in raw.get("members", {}).items():
            required = member_name in raw.get("required", ())
            members[member_name] = self._member(name, member_name, entry, required)
        wire_members.update((member.wire_name, member) for member in members.values())
        checked.extend(_checked(members))

    def _nested(self, raw: Json, role: str) -> Shape | None:
        return self._shape(raw[role]["shape"]) if role in raw else None

    def _member(self, structure: str, name: str, entry: Json, required: bool) -> Member:
        return Member(
            name=name,
            wire_name=entry.get("locationName", name),
            label=name[0].lower() + name[1:],
            location=entry.get("location", "body"),
            required=required,
            shape=self._shape(entry["shape"], f"{structure}.{name}"),
        )


def _accepted(raw: Json) -> frozenset[str]:
    recorded = raw.get("shown")
    return frozenset(raw["enum"]).union(recorded.split(", ") if recorded else ())


def _checked(members: Mapping[str, Member]) -> list[Member]:
    constrained = [member for member in members.values() if member.required or member.shape.is_constrained]
    return sorted(constrained, key=lambda member: member.name not in CHECKED_FIRST)
