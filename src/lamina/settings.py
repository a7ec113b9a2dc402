"""The settings: one table, from flags, ``LAMINA_…`` variables or ``lamina.toml``, in that order."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """A pair of keys and the account that it belongs to."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    account_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of one node."""

    data: Path = Path(".lamina")
    host: str = "127.0.0.1"
    port: int = 4566
    log_level: str = "info"
    auth: bool = True
    account_id: str = "000000000000"
    isolation: str = "auto"
    update_window_ms: int = 0
    account_concurrency: int = 1000
    idle_seconds: float = 600.0
    prewarm: int = 2
    retry_delay_seconds: float = 60.0
    code_storage_bytes: int = 80_530_636_800
    keys: tuple[AccessKey, ...] = ()
