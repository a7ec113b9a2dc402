"""The AWS SDK that AWS's Python runtimes bring along: the server's own boto3, where the interpreter can run it."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, metadata
from importlib.util import find_spec
from pathlib import Path

from lamina.sandbox import Bind

SDK = "/var/sdk"
_IMPORTED = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six.py", "urllib3")
_AT_LEAST = re.compile(r">=\s*3\.(\d+)")


def sdk_binds(minor: int) -> tuple[Bind, ...]:
    """The SDK's packages, each below ``/var/sdk``; nothing when this boto3 is too new for Python 3.``minor``."""
    packages = _installed_for(minor)
    if packages is None:
        return ()
    found = (packages / name for name in _IMPORTED)
    return tuple(Bind(source=path, target=f"{SDK}/{path.name}") for path in found if path.exists())


def _installed_for(minor: int) -> Path | None:
    try:
        required = _AT_LEAST.search(str(metadata("boto3")["Requires-Python"]))
    except PackageNotFoundError:
        return None
    spec = find_spec("boto3")
    if spec is None or spec.origin is None or (required and minor < int(required[1])):
        return None
    return Path(spec.origin).parent.parent
