"""Naming the steps, so that a refusal of the kernel says which of them failed."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType


class StepFailed(Exception):
    """``<step>: <the kernel's answer>``."""

    def __init__(self, step: str, error: OSError) -> None:
        answer = error.strerror or os.strerror(error.errno or 0)
        super().__init__(f"{step}: {answer}")
        self.step = step
        self.errno = error.errno or 0


class ProgramFailed(StepFailed):
    """The program itself cannot be started: nothing is wrong with the sandbox. ``path`` is what the kernel refused."""

    def __init__(self, step: str, path: str, error: OSError) -> None:
        super().__init__(f"{step} {path}", error)
        self.blamed = [step, path, self.errno]


class Step:
    """Turns an ``OSError`` inside ``with Step("mount /proc"):`` into ``StepFailed``."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        """Nothing to do: only what goes wrong matters."""

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(error, OSError):
            raise StepFailed(self.name, error) from error
