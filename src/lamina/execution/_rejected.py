"""A request of a runtime that may not be."""

from __future__ import annotations


class Rejected(Exception):
    """The runtime asked for what may not be: becomes the Runtime API's own error answer."""

    def __init__(self, status: int, error_type: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type
