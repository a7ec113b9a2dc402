"""The settings: one table, from flags, ``LAMINA_…`` variables or ``lamina.toml``, the first that has a value."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


class SettingsError(Exception):
    """A setting has a value that it cannot have; the message names both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """A pair of keys and the account that it belongs to."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    account_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporaryKey(AccessKey):
    """A pair of keys that works together with its ``session_token`` only, and until ``expires`` (epoch seconds).

    ``role`` is the ARN of the role that was assumed, ``session`` the name of the session; both are empty for a session
    of the account itself.
    """

    session_token: str = field(repr=False)
    expires: int
    role: str = ""
    session: str = ""


def _setting(default: Any, help_: str, parse: Callable[[str], Any]) -> Any:
    return field(default=default, metadata={"help": help_, "parse": parse})


def _switch(text: str) -> bool:
    if text.lower() in {"on", "true", "1", "yes"}:
        return True
    if text.lower() in {"off", "false", "0", "no"}:
        return False
    raise ValueError("expected on or off")


def _allowed(text: str) -> bool:
    if text.lower() not in {"allow", "refuse"}:
        raise ValueError("expected allow or refuse")
    return text.lower() == "allow"


def _account(text: str) -> str:
    if not re.fullmatch(r"\d{12}", text):
        raise ValueError("expected twelve digits")
    return text


def _port(text: str) -> int:
    if not 0 <= int(text) <= 65535:
        raise ValueError("expected 0 to 65535")
    return int(text)


def _count(text: str) -> int:
    if int(text) < 0:
        raise ValueError("expected 0 or more")
    return int(text)


def _seconds(text: str) -> float:
    if not float(text) >= 0:
        raise ValueError("expected 0 or more")
    return float(text)


def _isolation(text: str) -> str:
    if not re.fullmatch(r"auto|[ABE]|min:[ABE]", text):
        raise ValueError("expected auto, A, B, E, or min: and one of these letters")
    return text


def _network(text: str) -> str:
    if text.lower() not in {"none", "gateway", "egress"}:
        raise ValueError("expected none, gateway or egress")
    return text.lower()


def _networks(text: str) -> str:
    return ",".join(str(ipaddress.IPv4Network(each.strip())) for each in text.split(",") if each.strip())


def _url(text: str) -> str:
    parts = urlsplit(text)
    if text and not (parts.scheme in {"http", "https"} and parts.hostname and not parts.query):
        raise ValueError("expected http://HOST or https://HOST")
    return text


def _registries(text: str) -> str:
    from lamina.images import Registries

    Registries.parse(text)
    return text


def _log_level(text: str) -> str:
    if text.lower() not in {"debug", "info", "warning", "error"}:
        raise ValueError("expected debug, info, warning or error")
    return text.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of one node. Each is a flag, a variable and a key of ``lamina.toml`` by the same name."""

    data: Path = _setting(Path(".lamina"), "Folder for everything that is kept.", Path)
    host: str = _setting("127.0.0.1", "Address to listen on.", str)
    port: int = _setting(4566, "Port to listen on; 0 takes a free one.", _port)
    log_level: str = _setting("info", "debug, info, warning or error.", _log_level)
    auth: bool = _setting(True, "Check signatures (on or off; off on loopback only).", _switch)
    account_id: str = _setting("000000000000", "Account of the keys that name none.", _account)
    isolation: str = _setting("auto", "Isolation level: auto, A, B, E, or min:LEVEL.", _isolation)
    network: str = _setting("gateway", "What functions reach: none, gateway (the API of Lamina) or egress.", _network)
    egress_allow: str = _setting("", "Closed networks that functions reach with egress (CIDR, …).", _networks)
    upstream: str = _setting("", "URL of a server for the services that Lamina does not have.", _url)
    update_window: int = _setting(0, "Shortest time an update is InProgress, in ms.", _count)
    account_concurrency: int = _setting(1000, "Concurrent invocations of an account and Region.", _count)
    idle_seconds: float = _setting(600.0, "Time after which an idle environment is ended.", _seconds)
    memory_reserve: int = _setting(256, "MB of the machine's memory that idle environments leave free; 0: all.", _count)
    prewarm: int = _setting(2, "Generic environments kept ready for each runtime in use.", _count)
    snapshots: int = _setting(1, "Frozen environments kept ready for each version with SnapStart.", _count)
    retry_delay: float = _setting(60.0, "Seconds before the first retry of an asynchronous invocation.", _seconds)
    code_storage: int = _setting(80_530_636_800, "Bytes of code that an account may store in a Region.", _count)
    s3_endpoint: str = _setting("", "URL of an S3, or aws; empty: the embedded store, else AWS.", str)
    s3_access_key_id: str = _setting("", "Access key for --s3-endpoint; empty: of the AWS settings.", str)
    s3_secret_access_key: str = _setting("", "Secret key for --s3-endpoint.", str)
    s3_region: str = _setting("", "Region of --s3-endpoint; empty: the function's.", str)
    s3_path_style: bool = _setting(True, "Buckets of --s3-endpoint in the path (on or off).", _switch)
    registry: str = _setting("", "NAME=URL of image registries, separated by commas.", _registries)
    registry_ca: str = _setting("", "PEM file of certificates that registries are trusted by.", str)
    kms_endpoint: str = _setting("", "URL of a KMS; empty: the embedded key store.", str)
    signing_roots: str = _setting("", "PEM file of further roots that signed packages may come from.", str)
    history: int = _setting(20, "Deployments of a function that are remembered, for rollback.", _count)
    history_bytes: int = _setting(5_368_709_120, "Bytes of old code kept for rollback.", _count)
    control_rate: float = _setting(
        0.0, "Control-plane calls a second of an account and Region; 0 sets no limit.", _seconds
    )
    deprecated_runtimes: bool = _setting(False, "Runtimes that AWS has ended: allow or refuse.", _allowed)
    keys: tuple[AccessKey, ...] = ()

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def options() -> list[tuple[str, str, Any]]:
    """(name, help, default) of every setting that is a flag."""
    return [(each.name, each.metadata["help"], each.default) for each in _parsed()]


def shown(name: str, default: Any) -> str:
    """A default as it would be written."""
    if isinstance(default, bool):
        return ("refuse", "allow")[default] if name == "deprecated_runtimes" else ("off", "on")[default]
    return str(default)


def load(flags: Mapping[str, str | None], environment: Mapping[str, str], file: Path | None) -> Settings:
    """The settings from all three places. Raises ``SettingsError``."""
    table = _read(file)
    values: dict[str, Any] = {"keys": _keys(table.pop("keys", []), table.get("account_id", "000000000000"))}
    for each in _parsed():
        variable = f"LAMINA_{each.name.upper()}"
        given = {
            f"--{each.name.replace('_', '-')}": flags.get(each.name),
            variable: environment.get(variable),
            f"{each.name} in {file}": table.pop(each.name, None),
        }
        for source, value in given.items():
            if value is not None:
                values[each.name] = _parse(source, value, each.metadata["parse"])
                break
    if table:
        raise SettingsError(f"{file}: unknown setting {next(iter(table))!r}")
    return Settings(**values)


def _parsed() -> list[dataclasses.Field[Any]]:
    return [each for each in dataclasses.fields(Settings) if "parse" in each.metadata]


def _parse(source: str, value: object, parse: Callable[[str], Any]) -> Any:
    text = {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
    try:
        return parse(text)
    except ValueError as error:
        raise SettingsError(f"{source} cannot be {text!r}: {error}") from None


def _read(file: Path | None) -> dict[str, Any]:
    if file is None or not file.is_file():
        return {}
    try:
        return tomllib.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise SettingsError(f"{file} cannot be read: {error}") from None


def _keys(tables: object, account_id: object) -> tuple[AccessKey, ...]:
    if not isinstance(tables, list):
        raise SettingsError("keys must be tables: [[keys]]")
    keys = []
    for table in tables:
        try:
            keys.append(AccessKey(**{"account_id": str(account_id), **table}))
        except TypeError:
            raise SettingsError("each of [[keys]] has access_key_id, secret_access_key and account_id") from None
    return tuple(keys)
