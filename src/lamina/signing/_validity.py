"""How long signatures hold: a number of DAYS, MONTHS or YEARS."""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from lamina.errors import ValidationException

LONGEST = (135, "MONTHS")
_MOST = {"DAYS": 4109, "MONTHS": 135, "YEARS": 11}  # 135 months in whole days and years


def validity_of(params: Mapping[str, Any]) -> tuple[int, str]:
    """The period that PutSigningProfile asks for; 135 months, which is also the longest, when it does not say."""
    period = params.get("signatureValidityPeriod")
    if period is None:
        return LONGEST
    value, unit = period.get("value"), period.get("type")
    if value is None or unit is None:
        raise ValidationException("The signature validity period needs a value and a type.")
    if not 1 <= value <= _MOST[unit]:
        raise ValidationException(f"The signature validity period must be from 1 to {_MOST[unit]} {unit}.")
    return value, unit


def expiry(signed_at: datetime, validity: tuple[int, str]) -> datetime:
    """When a signature expires. A day that its month lacks becomes the month's last."""
    value, unit = validity
    if unit == "DAYS":
        return signed_at + timedelta(days=value)
    months = signed_at.month - 1 + value * (12 if unit == "YEARS" else 1)
    year, month = signed_at.year + months // 12, months % 12 + 1
    return signed_at.replace(year=year, month=month, day=min(signed_at.day, calendar.monthrange(year, month)[1]))
