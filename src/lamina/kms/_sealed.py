"""The format of what is sealed: a head that names the key, then the encrypted content.

The head is a mark with the version, the kind of content, and the ARN of the KMS key with the data key that it has
wrapped; both are empty for what is sealed under the master key of the data folder. The content is authenticated
together with the head and the encryption context.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from lamina.kms._cipher import SealBroken, packed_context

WHOLE = 1
STREAM = 2

_MARK = b"\x93LMS\x01"
_FIXED = struct.Struct(f">{len(_MARK)}sBHH")
_LONGEST_ARN = 2048
_LONGEST_WRAPPED = 6144


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The head of something sealed. ``kind`` is WHOLE or STREAM."""

    kind: int
    key_arn: str = ""
    wrapped: bytes = b""

    @property
    def packed(self) -> bytes:
        """The head as bytes."""
        arn = self.key_arn.encode()
        if len(arn) > _LONGEST_ARN or len(self.wrapped) > _LONGEST_WRAPPED:
            raise ValueError("the key ARN or the wrapped data key is too long")
        return _FIXED.pack(_MARK, self.kind, len(arn), len(self.wrapped)) + arn + self.wrapped

    def bound(self, context: Mapping[str, str]) -> bytes:
        """What the content is authenticated together with: a hash over the head and the context."""
        packed = self.packed
        return hashlib.sha256(struct.pack(">I", len(packed)) + packed + packed_context(context)).digest()


def read_head(source: BinaryIO) -> Head:
    """The head of a stream, whose content follows. Raises ``SealBroken`` for what was never sealed."""
    fixed = source.read(_FIXED.size)
    if len(fixed) < _FIXED.size:
        raise SealBroken("it is shorter than the head of something sealed")
    mark, kind, arn_size, wrapped_size = _FIXED.unpack(fixed)
    if mark != _MARK or kind not in (WHOLE, STREAM) or arn_size > _LONGEST_ARN or wrapped_size > _LONGEST_WRAPPED:
        raise SealBroken("it does not begin with the head of something sealed")
    rest = source.read(arn_size + wrapped_size)
    if len(rest) < arn_size + wrapped_size or (arn_size == 0) != (wrapped_size == 0):
        raise SealBroken("the head of something sealed is damaged")
    try:
        return Head(kind=kind, key_arn=rest[:arn_size].decode(), wrapped=rest[arn_size:])
    except UnicodeDecodeError:
        raise SealBroken("the head of something sealed is damaged") from None
