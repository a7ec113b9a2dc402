"""What the service was recorded to do where botocore's model says otherwise or nothing (API notes, 1A, 2, 26, 27).

The tables replace facts of a shape, or of one member (``Structure.Member``), before the model is compiled; a fact of
None is removed. ``shown`` is the enum set as the service prints it: its values are accepted beside those of the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

_RUNTIMES = (
    "nodejs20.x, python3.14, provided.al2023, python3.12, python3.13, nodejs24.x, nodejs22.x, java25, python3.10, "
    "python3.11, java21, ruby3.3, ruby3.4, ruby3.2, python3.8, python3.9, java17, nodejs16.x, dotnet10, dotnet8, "
    "java11, dotnet6, nodejs18.x, provided.al2, java8.al2"
)

_HISTORIC_RUNTIMES = (
    "ruby3.5, ruby2.6, dotnetcore1.0, python3.7, nodejs8.10, nasa, ruby2.7, python2.7-greengrass, dotnetcore2.0, "
    "python3.8, java21, dotnet6, dotnetcore2.1, python3.9, java11, nodejs6.10, provided, dotnetcore3.1, dotnet8, "
    "java25, java17, nodejs, nodejs4.3, java8.al2, go1.x, dotnet10, nodejs20.x, go1.9, byol, nodejs10.x, "
    "provided.al2023, nodejs22.x, python3.10, java8, nodejs12.x, python3.11, nodejs24.x, nodejs8.x, python3.12, "
    "nodejs14.x, nodejs8.9, nodejs26.x, python3.13, python3.14, nodejs16.x, python3.15, provided.al2, nodejs4.3-edge, "
    "nodejs18.x, ruby3.2, python3.4, ruby3.3, ruby3.4, ruby2.5, python3.6, python2.7"
)

_REGION = r"(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}"

_LAMBDA: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        # The model's maxima are those of managed instances; ordinary functions have these.
        "Timeout": {"max": 900},
        "MemorySize": {"max": 10240},
        "EphemeralStorageSize": {"max": 10240},
        # A long name is answered with 404, or with the error of the pattern alone (2.4).
        "NamespacedFunctionName": {"max": None},
        "RevisionId": {"min": None, "max": None, "pattern": None},
        "LayerVersionArn": {
            "pattern": rf"(arn:(aws[a-zA-Z-]*)?:lambda:{_REGION}:\d{{12}}:layer:[a-zA-Z0-9-_]+:[0-9]+)"
            r"|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+)"
        },
        "TaggableResource": {
            "pattern": rf"arn:(aws[a-zA-Z-]*):lambda:{_REGION}:\d{{12}}:"
            r"(function:[a-zA-Z0-9-_]+(:(\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)"
            r"|code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}"
            r"-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|capacity-provider:[a-zA-Z0-9-_]+)"
        },
        "RecursiveLoop": {"shown": "Terminate, Allow"},
        "InvokeMode": {"shown": "RESPONSE_STREAM, BUFFERED"},
        "EventSourcePosition": {"shown": "LATEST, AT_TIMESTAMP, TRIM_HORIZON"},
        "Runtime": {"shown": _RUNTIMES},
        "ListLayersRequest.CompatibleRuntime": {"shown": _HISTORIC_RUNTIMES},
        "ListLayerVersionsRequest.CompatibleRuntime": {"shown": _HISTORIC_RUNTIMES},
        # The lists whose element constraint is printed without "Member must not be null" at its end.
        "SubnetIds": {"sparse": True},
        "SecurityGroupIds": {"sparse": True},
        # The one list whose elements' enum set is printed as if it were the list's own.
        "CompatibleRuntimes": {"bare": True},
    }
)

RECORDED: Mapping[str, Mapping[str, Mapping[str, Any]]] = MappingProxyType({"lambda": _LAMBDA})
"""By service and shape."""

CHECKED_FIRST = frozenset({"Qualifier", "CompatibleRuntimes"})
"""Members whose error stands before those of the others (2.6, 13.6)."""
