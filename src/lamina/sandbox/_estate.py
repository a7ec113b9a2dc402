"""What a sandbox leaves behind until the server says what becomes of it: its ``/tmp``, and who owns the files in it."""

from __future__ import annotations


class Estate:
    """Belongs to one sandbox that has ended; another one may be its heir."""

    def __init__(self, *, uid: int | None, tmp: int | None = None, path: str = "") -> None:
        """``tmp`` is a detached mount, or ``path`` a directory where nothing is mounted."""
        self.uid = uid
        self.tmp = tmp
        self.path = path
