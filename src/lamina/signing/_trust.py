"""Whom a function trusts: what its code signing configuration says, at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Policy = Literal["Warn", "Enforce"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """A code signing configuration as a deployment has read it.

    ``allowed`` are the profile versions whose signatures count, by ARN. ``change`` is the number of the change that
    last altered these or the policy: a trust that is equal later says that nothing has changed in between.
    """

    config_arn: str
    allowed: frozenset[str]
    policy: Policy
    change: int
