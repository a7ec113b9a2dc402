"""How many calls of the control plane an account may make in a second; AWS throttles them, and clients must cope."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from lamina.errors import TooManyRequestsException


class Rate:
    """A bucket of tokens for each account and Region: one second's worth of calls at once, then ``rate`` a second.

    A rate of 0 sets no limit (Lambda quotas: 15 a second for all but Invoke and GetFunction on AWS).
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = max(1.0, rate)
        self._clock = clock
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}

    def check(self, account_id: str, region: str) -> None:
        """Take a token. Raises TooManyRequestsException that says when there is another."""
        if not self._rate:
            return
        now = self._clock()
        tokens, since = self._buckets.get((account_id, region), (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) * self._rate)
        allowed = tokens >= 1
        self._buckets[account_id, region] = (tokens - 1 if allowed else tokens, now)
        if not allowed:
            wait = math.ceil((1 - tokens) / self._rate)
            raise TooManyRequestsException(
                "Rate exceeded", Reason="CallerRateLimitExceeded", retryAfterSeconds=str(wait)
            )
