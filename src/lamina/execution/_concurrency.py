"""How many invocations may run at once (Lambda Developer Guide, "Understanding Lambda function scaling")."""

from __future__ import annotations

from typing import TypeVar

from lamina.errors import TooManyRequestsException
from lamina.functions import FunctionKey, Route

_T = TypeVar("_T")
Account = tuple[str, str]


class Concurrency:
    """Counts running invocations for each function with reserved concurrency and for the rest of each account.

    The unreserved functions of an account and Region share what the reservations leave of the account's limit.
    """

    def __init__(self, account_limit: int) -> None:
        self._account_limit = account_limit
        self._reserved: dict[FunctionKey, int] = {}
        self._unreserved: dict[Account, int] = {}

    def enter(self, route: Route) -> None:
        """Count one more. Raises ``TooManyRequestsException`` with the recorded reason at the limit."""
        if route.reserved_concurrency is not None:
            running = self._reserved.get(route.key, 0)
            if running >= route.reserved_concurrency:
                raise TooManyRequestsException(
                    "Rate Exceeded.", Reason="ReservedFunctionConcurrentInvocationLimitExceeded"
                )
            self._reserved[route.key] = running + 1
            return
        account = route.key[:2]
        running = self._unreserved.get(account, 0)
        if running >= self._account_limit - route.reserved_in_account:
            raise TooManyRequestsException("Rate Exceeded.", Reason="ConcurrentInvocationLimitExceeded")
        self._unreserved[account] = running + 1

    def leave(self, route: Route) -> None:
        """Count one less: of the same route that entered."""
        if route.reserved_concurrency is not None:
            self._decrease(self._reserved, route.key)
        else:
            self._decrease(self._unreserved, route.key[:2])

    @staticmethod
    def _decrease(counts: dict[_T, int], key: _T) -> None:
        running = counts[key] - 1
        if running:
            counts[key] = running
        else:
            del counts[key]
