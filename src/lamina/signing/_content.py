"""What of a zip is signed: the digest of its content, and the digest of its framing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from struct import Struct
from typing import NamedTuple

from lamina.signing._zip import (
    LARGEST_SIGNATURE,
    SIGNATURE_FOLDER,
    SIGNATURE_NAME,
    BadZip,
    Entry,
    append,
    contents,
    kind,
    read_entries,
)

_FRAME = Struct(">IQB")


class AlreadySigned(Exception):
    """The package carries a signature; it is signed once only."""


class Digests(NamedTuple):
    """Two SHA-384 digests of 48 bytes.

    ``content`` is over the names and the uncompressed bodies of all entries but the signature, one after the other.
    It would be the same with a byte moved from a body to the name after it, and with a file turned into a link;
    ``framing`` is over the length of each name, the size of each body and whether it is a link or can be run.
    """

    content: bytes
    framing: bytes


def digests_to_sign(data: memoryview) -> Digests:
    """The digests of an unsigned zip, as they will be when the signature has been added.

    Inflates everything in pieces, so this blocks. Raises ``BadZip``, also for a zip without entries, and
    ``AlreadySigned``.
    """
    entries = read_entries(data)
    if not entries:
        raise BadZip("no entries")
    if any(entry.name == SIGNATURE_NAME for entry in entries):
        raise AlreadySigned
    return _digests(data, entries, implied=() if _has_folder(entries) else (SIGNATURE_FOLDER,))


def add_signature(data: memoryview, signature: bytes) -> bytes:
    """The zip with its signature; no other entry is touched. Raises ``BadZip``."""
    folder = [] if _has_folder(read_entries(data)) else [(SIGNATURE_FOLDER, b"")]
    return append(data, [*folder, (SIGNATURE_NAME, signature)])


def read_signed(data: memoryview) -> tuple[bytes, Digests] | None:
    """The signature in a zip and the digests of the rest; None when the zip has no entry of that name.

    Inflates everything in pieces, so this blocks. Raises ``BadZip``, also for a second signature.
    """
    entries = read_entries(data)
    found = [entry for entry in entries if entry.name == SIGNATURE_NAME]
    if not found:
        return None
    if max(found[0].size, found[0].packed) > LARGEST_SIGNATURE:
        raise BadZip(f"a signature of {found[0].size} bytes")
    signature = b"".join(contents(data, found[0]))
    return signature, _digests(data, (entry for entry in entries if entry is not found[0]), implied=())


def _has_folder(entries: Iterable[Entry]) -> bool:
    return any(entry.name == SIGNATURE_FOLDER for entry in entries)


def _digests(data: memoryview, entries: Iterable[Entry], implied: Iterable[bytes]) -> Digests:
    content, framing = hashlib.sha384(), hashlib.sha384()
    for entry in entries:
        content.update(entry.name)
        framing.update(_FRAME.pack(len(entry.name), entry.size, kind(entry.mode)))
        for piece in contents(data, entry):
            content.update(piece)
    for name in implied:
        content.update(name)
        framing.update(_FRAME.pack(len(name), 0, 0))
    return Digests(content.digest(), framing.digest())
