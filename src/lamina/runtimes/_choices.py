"""What the operator has chosen for ``Runtime`` names: the file ``runtimes.toml`` in the data folder.

Whoever may write to the data folder may choose, and nobody through the network: a choice decides what runs the code of
every account. A file that changes is read again at the next start of an environment; one that cannot be read leaves
what was chosen before.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lamina.disk import flush_folder

FILE = "runtimes.toml"
_log = logging.getLogger(__name__)
_HEAD = "# What Lamina runs these runtimes with instead of what it finds. `lamina runtimes` writes this file.\n"
_Mark = tuple[int, int, int] | None


class ChoicesError(Exception):
    """The file cannot be read, or says what cannot be; the message is one line with its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What runs one ``Runtime`` name: the program ``path``, or the image with the resolved URI ``image``.

    ``architecture`` is the image's, in the words of the API.
    """

    path: Path | None = None
    image: str = ""
    architecture: str = ""

    @property
    def digest(self) -> str:
        """The image's digest, ``sha256:…``; empty without one."""
        return self.image.partition("@")[2]

    def members(self) -> dict[str, str]:
        """The members of its table in the file."""
        values = {"path": str(self.path or ""), "image": self.image, "architecture": self.architecture}
        return {name: value for name, value in values.items() if value}


class Choices:
    """The choices of one data folder, read again when the file has changed."""

    def __init__(self, folder: Path | None) -> None:
        """Raises ``ChoicesError``. Without a folder nothing is chosen."""
        self._file = folder / FILE if folder else None
        self._mark = self._look()
        self._choices = read_choices(folder) if folder else {}

    def read(self) -> Mapping[str, Choice]:
        """The choices by name; the same object for as long as nothing has changed."""
        mark = self._look()
        if mark != self._mark:
            self._mark = mark
            assert self._file is not None
            try:
                self._choices = read_choices(self._file.parent)
            except ChoicesError as error:
                _log.error("%s; what was chosen before still counts", error)
        return self._choices

    def _look(self) -> _Mark:
        try:
            status = self._file.stat() if self._file else None
        except OSError:
            return None
        return (status.st_ino, status.st_mtime_ns, status.st_size) if status else None


def read_choices(folder: Path) -> dict[str, Choice]:
    """The choices in a data folder. Raises ``ChoicesError``."""
    file = folder / FILE
    try:
        tables = tomllib.loads(file.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ChoicesError(f"{file} cannot be read: {error}") from None
    return {name: _choice(file, name, table) for name, table in tables.items()}


def _choice(file: Path, name: str, table: object) -> Choice:
    if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
        raise ChoicesError(f"{file}: {name} must be a table of texts")
    members = set(table)
    if members == {"path"}:
        path = Path(table["path"])
        if path.is_absolute():
            return Choice(path=path)
        raise ChoicesError(f"{file}: the path of {name} must be absolute")
    if members == {"image", "architecture"}:
        _, digest, number = table["image"].partition("@sha256:")
        if digest and len(number) == 64 and not set(number) - set("0123456789abcdef"):
            return Choice(image=table["image"], architecture=table["architecture"])
        raise ChoicesError(f"{file}: the image of {name} must end with its digest, @sha256:…")
    raise ChoicesError(f"{file}: {name} must have path, or image and architecture")


def write_choice(folder: Path, name: str, choice: Choice | None) -> bool:
    """Choose, or with None forget; whether that changed anything. The new file is there whole or not at all.

    Raises ``ChoicesError`` and ``OSError``.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = read_choices(folder)
        after = {key: value for key, value in before.items() if key != name}
        if choice is not None:
            after[name] = choice
        if after != before:
            _replace(folder / FILE, _document(after))
        return after != before
    finally:
        os.close(lock)


def _document(choices: Mapping[str, Choice]) -> str:
    lines = [_HEAD]
    for name, choice in sorted(choices.items()):
        lines.append(f"\n[{_quoted(name)}]\n")
        lines += [f"{member} = {_quoted(value)}\n" for member, value in choice.members().items()]
    return "".join(lines)


def _quoted(text: str) -> str:
    """A basic string of TOML: JSON's, if nothing in it needs what only one of them can write."""
    if not text.isprintable():
        raise ChoicesError(f"{text!r} has characters that cannot be written to {FILE}")
    return json.dumps(text, ensure_ascii=False)


def _replace(file: Path, text: str) -> None:
    new = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with new.open("w") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        new.replace(file)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    flush_folder(file.parent)
