"""Answering a registry's challenge: Basic, or a Bearer token from the server that it names."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from urllib.parse import urlencode, urlsplit

import orjson

from lamina.images._faults import Denied, Unreachable
from lamina.images._registries import Registry, is_loopback

_SCHEME = re.compile(r"(?:^|,)\s*([A-Za-z]+)\s+(?=[A-Za-z_-]+\s*=)")
_PARAMETER = re.compile(r'([A-Za-z_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_LONGEST_CHALLENGE = 8192
_LONGEST_TOKEN = 65_536

Fetch = Callable[[str, dict[str, str]], bytes]
"""Get a URL with headers: the body of a success. Raises ``Denied``, ``Missing`` and ``Unreachable``."""


class Authorization:
    """What goes into the Authorization header of requests to one repository of one registry."""

    def __init__(self, registry: Registry, repository: str, fetch: Fetch) -> None:
        self._registry = registry
        self._scope = f"repository:{repository}:pull"
        self._fetch = fetch
        self.headers: dict[str, str] = {}

    def answer(self, headers: Iterable[str]) -> None:
        """Make ``headers`` anew after a 401 with these WWW-Authenticate headers.

        Raises ``Denied`` when there is no answer that could help, and what ``fetch`` raises.
        """
        challenges = parse_challenges(headers)
        if "bearer" in challenges:
            self.headers = {"Authorization": f"Bearer {self._token(challenges['bearer'])}"}
        elif "basic" in challenges and self._registry.username is not None and not self.headers:
            self.headers = self._basic()
        else:
            raise Denied("the registry wants credentials, or others")

    def _basic(self) -> dict[str, str]:
        pair = f"{self._registry.username}:{self._registry.password}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}

    def _token(self, challenge: dict[str, str]) -> str:
        realm = challenge.get("realm", "")
        self._check_realm(realm)
        query = {"service": challenge["service"]} if "service" in challenge else {}
        url = f"{realm}{'&' if '?' in realm else '?'}{urlencode({**query, 'scope': self._scope})}"
        return _read_token(self._fetch(url, {} if self._registry.username is None else self._basic()))

    def _check_realm(self, realm: str) -> None:
        """Credentials go to the realm: never in the clear, unless the registry was reached like that too."""
        parts = urlsplit(realm)
        plain_allowed = self._registry.url.startswith("http:") or is_loopback(parts.hostname)
        if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and plain_allowed)):
            raise Unreachable(f"the registry names the token server {realm[:200]!r}", None)


def parse_challenges(headers: Iterable[str]) -> dict[str, dict[str, str]]:
    """The parameters of each challenge by its scheme, both in lower case; a header may have several challenges."""
    challenges: dict[str, dict[str, str]] = {}
    for header in headers:
        text = header[:_LONGEST_CHALLENGE]
        starts = [*_SCHEME.finditer(text)]
        ends = [*(match.start() for match in starts[1:]), len(text)]
        for match, end in zip(starts, ends, strict=False):
            found = _PARAMETER.findall(text[match.end() : end])
            challenges.setdefault(match[1].lower(), {name.lower(): quoted or plain for name, quoted, plain in found})
    return challenges


def _read_token(body: bytes) -> str:
    try:
        members = orjson.loads(body)
        token = members.get("token") or members.get("access_token")
    except (orjson.JSONDecodeError, AttributeError) as error:
        raise Unreachable("the token server's answer is no JSON object", None) from error
    if not isinstance(token, str) or len(token) > _LONGEST_TOKEN or not re.fullmatch(r"[\x21-\x7e]+", token):
        raise Unreachable("the token server's answer has no token", None)
    return token
