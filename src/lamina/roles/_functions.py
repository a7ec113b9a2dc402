"""The keys that a function finds in its environment: those of its execution role."""

from __future__ import annotations

from collections.abc import Mapping

from lamina.functions import LiveVersion
from lamina.roles._sessions import Sessions

LIFE_SECONDS = 12 * 3600
"""How long the keys of an environment are valid (Lambda Developer Guide: a session has at most 12 hours)."""


class FunctionRoles:
    """Gives each environment keys of its own, for its function's role in its function's account."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def variables(self, live: LiveVersion) -> Mapping[str, str]:
        """The three variables of a new environment; the session is named like the function, as on AWS."""
        key = self._sessions.issue(
            account_id=live.key.account_id, seconds=LIFE_SECONDS, role=live.role, session=live.key.name
        )
        return {
            "AWS_ACCESS_KEY_ID": key.access_key_id,
            "AWS_SECRET_ACCESS_KEY": key.secret_access_key,
            "AWS_SESSION_TOKEN": key.session_token,
        }
