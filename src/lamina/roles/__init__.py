"""Temporary keys: of roles and of sessions, what makes them and what knows them again."""

from lamina.roles._api import StsApi
from lamina.roles._functions import LIFE_SECONDS, FunctionRoles
from lamina.roles._sessions import Sessions

__all__ = ["LIFE_SECONDS", "FunctionRoles", "Sessions", "StsApi"]
