"""What can go wrong between a reference and unpacked layers, before anybody decides who is told what."""

from __future__ import annotations


class Fault(Exception):
    """Why an image cannot be had; the message is for the log."""


class Missing(Fault):
    """The registry does not have it."""


class Denied(Fault):
    """The registry does not give it to us."""


class Bad(Fault):
    """What the registry gave is damaged, hostile, too large or nothing that can run."""


class Unsupported(Fault):
    """A media type of the manifest, the config or a layer is none that is supported; ``digest`` is the manifest's."""

    def __init__(self, digest: str, message: str) -> None:
        super().__init__(message)
        self.digest = digest


class Unreachable(Fault):
    """The registry did not answer as one. ``retry_after`` is None when asking again is pointless, else seconds."""

    def __init__(self, message: str, retry_after: float | None = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after
