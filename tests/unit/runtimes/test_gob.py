"""Go's gob, as the translator of ``go1.x`` writes and reads it."""

from __future__ import annotations

import contextlib
import importlib.util
import random
from types import ModuleType
from typing import Any

import pytest

from lamina.runtimes._places import BOOTSTRAPS


@pytest.fixture(scope="module")
def gob() -> ModuleType:
    spec = importlib.util.spec_from_file_location("lamina_go_gob", BOOTSTRAPS / "go/gob.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def reader(data: bytes) -> Any:
    position = 0

    def receive(size: int) -> bytes:
        nonlocal position
        if position + size > len(data):
            raise EOFError
        position += size
        return data[position - size : position]

    return receive


def test_reads_what_it_writes_and_defines_each_type_once(gob: ModuleType) -> None:
    inner = gob.Struct("Inner", [("Seconds", gob.INT), ("Nanos", gob.INT)])
    outer = gob.Struct("Outer", [("Text", gob.STRING), ("Inner", inner), ("Bytes", gob.BYTES), ("Count", gob.UINT)])
    values = [
        {"Text": "ü", "Inner": {"Seconds": -1, "Nanos": 1 << 40}, "Bytes": b"\0" * 300, "Count": (1 << 64) - 1},
        {"Inner": {}},
        {"Inner": {"Seconds": -(1 << 63)}, "Bytes": b"x"},
    ]
    encoder = gob.Encoder()
    messages = [encoder.encode(outer, value) for value in values]
    assert b"Seconds" in messages[0]
    assert b"Seconds" not in messages[1]
    decoder = gob.Decoder(reader(b"".join(messages)))
    assert [decoder.decode() for _ in values] == values


def test_reads_the_example_of_gos_own_documentation(gob: ModuleType) -> None:
    """``type Point struct { X, Y int }`` with 22 and 33, byte for byte."""
    data = bytes.fromhex("1fff8103010105506f696e7401ff82000102010158010400010159010400000007ff82012c014200")
    assert gob.Decoder(reader(data)).decode() == {"X": 22, "Y": 33}
    point = gob.Struct("Point", [("X", gob.INT), ("Y", gob.INT)])
    assert gob.Encoder().encode(point, {"X": 22, "Y": 33}) == data


def test_what_is_no_gob_is_told_as_such(gob: ModuleType) -> None:
    point = gob.Struct("Point", [("X", gob.INT), ("Text", gob.STRING)])
    good = gob.Encoder().encode(point, {"X": 5, "Text": "abc"})
    chance = random.Random(7)
    for _ in range(3000):
        broken = bytearray(good)
        for _ in range(chance.randint(1, 3)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        with contextlib.suppress(gob.GobError, EOFError):
            gob.Decoder(reader(bytes(broken))).decode()
