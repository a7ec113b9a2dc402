"""Compressed streams with random damage: what zlib makes of them is accepted, and what it refuses is refused."""

from __future__ import annotations

import random
import zlib

import pytest

from lamina.packages import BadZip
from lamina.packages._archive import DEFLATED, Kind, Member
from lamina.packages._inflate import contents, whole

WORDS = [bytes([number, 255 - number, number // 3]) for number in range(60)]


def damaged_stream(dice: random.Random) -> tuple[bytes, bytes]:
    """What was compressed, and the stream with some bits changed, a piece cut off or a byte too many."""
    plain = b"".join(dice.choices(WORDS, k=dice.randrange(2, 300)))
    packer = zlib.compressobj(dice.choice([0, 1, 6, 9]), 8, -15, 9, dice.choice([0, 0, 2, 3, 4]))
    half = len(plain) // 2
    flushed = packer.flush(zlib.Z_SYNC_FLUSH) if dice.random() < 0.5 else b""
    stream = bytearray(packer.compress(plain[:half]) + flushed + packer.compress(plain[half:]) + packer.flush())
    for _ in range(dice.choice([0, 1, 1, 2])):
        stream[dice.randrange(len(stream))] ^= 1 << dice.randrange(8)
    if dice.random() < 0.2:
        del stream[dice.randrange(1, len(stream)) :]
    if dice.random() < 0.1:
        stream += b"\0"
    return plain, bytes(stream)


def inflated_by_zlib(stream: bytes) -> bytes | None:
    inflater = zlib.decompressobj(-15)
    try:
        content = inflater.decompress(stream)
    except zlib.error:
        return None
    return content if inflater.eof and not inflater.unused_data else None


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "read", [whole, lambda data, member: b"".join(contents(data, member))], ids=["whole", "pieces"]
)
def test_damaged_streams(seed: int, read: object) -> None:
    dice = random.Random(seed)
    verdicts = set()
    for _ in range(500):
        plain, stream = damaged_stream(dice)
        expected = inflated_by_zlib(stream)
        declared = plain if expected is None else expected
        member = Member(b"f", Kind.FILE, False, 0, DEFLATED, zlib.crc32(declared), 0, len(stream), len(declared))
        try:
            found = read(memoryview(stream), member)  # type: ignore[operator]
        except BadZip:
            found = None
        assert found == expected
        verdicts.add(found is None)
    assert verdicts == {True, False}
