"""Which registry a name in an image URI stands for, and how to speak to it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """One registry: ``url`` without a final slash and without credentials.

    A path in ``url`` comes before each repository's name. ``ca_file`` has certificates that are trusted beside the
    system's.
    """

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None

    @property
    def base(self) -> str:
        """Scheme, host and port."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    def repository(self, name: str) -> str:
        """The name of a repository as this registry knows it."""
        return f"{urlsplit(self.url).path}/{name}".strip("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Registries:
    """The configured names. A name may have ``*`` in it, such as ``*.dkr.ecr.*.amazonaws.com``; exact ones go first."""

    named: Mapping[str, Registry] = field(default_factory=dict)
    ca_file: Path | None = None

    @classmethod
    def parse(cls, text: str, ca_file: Path | None = None) -> Self:
        """Read ``NAME=URL`` pairs, separated by commas or blanks; a URL may have ``user:password@``.

        Raises ``ValueError`` with a message that does not repeat the URL, which may have a password in it.
        """
        pairs = (_pair(item, ca_file) for item in re.split(r"[,\s]+", text) if item)
        return cls(named=dict(pairs), ca_file=ca_file)

    def find(self, name: str) -> Registry:
        """The registry behind the host ``name`` of an image URI.

        A name that is not configured is the registry's own address: https, or plain http on loopback.
        """
        if name in self.named:
            return self.named[name]
        for pattern, registry in self.named.items():
            if "*" in pattern and fnmatchcase(name, pattern):
                return registry
        scheme = "http" if is_loopback(urlsplit(f"//{name}").hostname) else "https"
        return Registry(url=f"{scheme}://{name}", ca_file=self.ca_file)


def is_loopback(host: str | None) -> bool:
    """Whether a host of a URL is this machine itself."""
    if host is None:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _pair(item: str, ca_file: Path | None) -> tuple[str, Registry]:
    name, equals, url = item.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z0-9.*:_-]+", name):
        raise ValueError("expected NAME=URL, such as registry.example.com=http://127.0.0.1:5000")
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        raise ValueError(f"{name}: the port is not a number up to 65535") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{name}: expected an http or https URL")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return name, Registry(
        url=f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path.rstrip('/')}",
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.username is None else unquote(parts.password or ""),
        ca_file=ca_file,
    )
