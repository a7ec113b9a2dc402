"""Sealed streams: any part can be read, none can be changed, moved, left out or cut off."""

from __future__ import annotations

import io
import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.kms import SealBroken
from lamina.kms._stream import CHUNK_BYTES, StreamReader, plain_size, seal_stream

KEY = bytes(range(32))
BOUND = b"bound"
SEALED_CHUNK = CHUNK_BYTES + 16
START = 23
SIZES = [0, 1, 100, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 3 * CHUNK_BYTES + 77]


def sealed(content: bytes | Path) -> bytes:
    return b"".join(seal_stream(KEY, BOUND, content))


def opened(data: bytes, key: bytes = KEY, bound: bytes = BOUND) -> bytes:
    with io.BufferedReader(StreamReader(key, bound, io.BytesIO(data))) as stream:
        return stream.read()


@pytest.mark.parametrize("size", SIZES)
def test_there_and_back(size: int, tmp_path: Path) -> None:
    content = os.urandom(size)
    data = sealed(content)
    assert opened(data) == content
    assert plain_size(len(data)) == size
    file = tmp_path / "content"
    file.write_bytes(content)
    assert opened(sealed(file)) == content


@given(size=st.sampled_from(SIZES), data=st.data())
@settings(deadline=None, max_examples=80)
def test_any_part_can_be_read(size: int, data: st.DataObject) -> None:
    content = (b"%07d " * (size // 8 + 1) % tuple(range(size // 8 + 1)))[:size]
    start = data.draw(st.integers(0, size))
    length = data.draw(st.integers(0, size + 10))
    with io.BufferedReader(StreamReader(KEY, BOUND, io.BytesIO(sealed(content)))) as stream:
        stream.seek(start - size, io.SEEK_END)
        assert stream.tell() == start
        assert stream.read(length) == content[start : start + length]


@given(size=st.sampled_from(SIZES), data=st.data())
@settings(deadline=None, max_examples=80)
def test_no_bit_can_be_changed(size: int, data: st.DataObject) -> None:
    changed = bytearray(sealed(bytes(size)))
    place = data.draw(st.integers(0, len(changed) * 8 - 1))
    changed[place // 8] ^= 1 << place % 8
    with pytest.raises(SealBroken):
        opened(bytes(changed))


@given(size=st.sampled_from(SIZES), data=st.data())
@settings(deadline=None, max_examples=80)
def test_it_cannot_be_cut_off_or_made_longer(size: int, data: st.DataObject) -> None:
    whole = sealed(bytes(size))
    boundaries = [START + number * SEALED_CHUNK for number in range(len(whole) // SEALED_CHUNK + 1)]
    end = data.draw(st.one_of(st.integers(0, len(whole) - 1), st.sampled_from(boundaries)))
    for broken in (whole[:end], whole + bytes(data.draw(st.integers(1, SEALED_CHUNK)))):
        if broken != whole:
            with pytest.raises(SealBroken):
                opened(broken)


@given(order=st.permutations(range(4)))
@settings(deadline=None)
def test_chunks_cannot_change_places(order: list[int]) -> None:
    data = sealed(b"".join(bytes([number]) * CHUNK_BYTES for number in range(4)))
    chunks = [data[START + number * SEALED_CHUNK :][:SEALED_CHUNK] for number in range(4)]
    moved = data[:START] + b"".join(chunks[number] for number in order)
    if moved == data:
        assert len(opened(moved)) == 4 * CHUNK_BYTES
    else:
        with pytest.raises(SealBroken):
            opened(moved)


@pytest.mark.parametrize("left_out", range(4))
def test_no_chunk_can_be_left_out_or_come_twice(left_out: int) -> None:
    data = sealed(bytes(4 * CHUNK_BYTES))
    start = START + left_out * SEALED_CHUNK
    chunk = data[start : start + SEALED_CHUNK]
    for broken in (data[:start] + data[start + SEALED_CHUNK :], data[:start] + chunk + data[start:]):
        with pytest.raises(SealBroken):
            opened(broken)


def test_chunks_of_two_streams_cannot_be_mixed() -> None:
    content = bytes(2 * CHUNK_BYTES)
    first, second = sealed(content), sealed(content)
    cut = START + SEALED_CHUNK
    with pytest.raises(SealBroken):
        opened(first[:cut] + second[cut:])


def test_another_key_or_another_place_opens_nothing() -> None:
    data = sealed(b"content")
    with pytest.raises(SealBroken):
        opened(data, key=bytes(32))
    with pytest.raises(SealBroken):
        opened(data, bound=b"other")


def test_a_stream_that_was_cut_off_is_noticed_before_anything_is_read() -> None:
    data = sealed(bytes(3 * CHUNK_BYTES))
    with pytest.raises(SealBroken):
        StreamReader(KEY, BOUND, io.BytesIO(data[: START + 2 * SEALED_CHUNK]))


def test_memory_does_not_grow_with_the_content(tmp_path: Path) -> None:
    file, target = tmp_path / "content", tmp_path / "sealed"
    with file.open("wb") as stream:
        stream.truncate(64 << 20)
    sealed(b"")
    tracemalloc.start()
    try:
        with target.open("wb") as stream:
            for piece in seal_stream(KEY, BOUND, file):
                stream.write(piece)
        size = 0
        with io.BufferedReader(StreamReader(KEY, BOUND, target.open("rb"))) as reader:
            while piece := reader.read(CHUNK_BYTES):
                size += len(piece)
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()
    assert size == 64 << 20
