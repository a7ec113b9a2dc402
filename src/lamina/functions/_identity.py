"""What is made anew for each change: identifiers and times, in the forms of the service."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4


def new_revision_id() -> str:
    """A RevisionId: a random UUID (API notes, 4.8)."""
    return str(uuid4())


def new_deployment() -> str:
    """A name for a configuration of one function, never used again."""
    return uuid4().hex


def now() -> str:
    """LastModified: ``2026-01-02T03:04:05.678+0000`` (API notes, 1.9)."""
    moment = datetime.now(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"
