from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.signing import _der
from lamina.signing._ber import BadEncoding, dotted, moment, read


@pytest.mark.parametrize(
    "name", ["1.2.840.113549.1.7.2", "1.3.187.137.1.4", "2.16.840.1.101.3.4.2.2", "2.25.145344388"]
)
def test_object_identifiers_come_back(name):
    assert dotted(read(_der.oid(name)).value(_der.OID)) == name


@pytest.mark.parametrize("value", [0, 1, 127, 128, 255, 2**159])
def test_integers_come_back(value):
    assert int.from_bytes(read(_der.integer(value)).value(_der.INTEGER), "big", signed=True) == value


def test_times_have_milliseconds():
    at = datetime(2026, 5, 1, 12, 30, 59, 123_000, tzinfo=UTC)

    assert _der.moment(at)[2:] == b"20260501123059.123Z"
    assert moment(b"20260501123059.123Z") == at
    assert moment(b"20260501123059Z") == at.replace(microsecond=0)


@pytest.mark.parametrize("text", [b"", b"20261301000000Z", b"20260501123059", b"20260501123059.1234567Z", b"\xff" * 15])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(BadEncoding):
        moment(text)


def test_definite_and_indefinite_lengths_mean_the_same():
    parts = (_der.integer(5), _der.octets(b"x" * 300))
    definite = read(_der.element(_der.SEQUENCE, *parts))
    open_ended = read(_der.indefinite(_der.SEQUENCE, _der.integer(5), _der.octets(b"x" * 300)))

    assert [child.raw for child in definite.children] == [child.raw for child in open_ended.children]
    assert (definite.is_definite, open_ended.is_definite) == (True, False)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30",
        b"\x30\x05\x02\x01\x01",  # longer than what there is
        b"\x30\x03\x02\x05\x01\x00\x00",  # a child that leaves its parent
        b"\x02\x01\x01\x00",  # something after the end
        b"\x30\x80\x02\x01\x01",  # no end
        b"\x04\x80\x00\x00",  # primitive, without a length
        b"\x1f\x81\x01\x00",  # a tag of several octets
        b"\x02\x85\x00\x00\x00\x00\x01\x01",  # a length of five octets
        b"\x30\x80" * 40 + b"\x00\x00" * 40,  # too deep
        b"\x30\x84\x00\x01\x00\x00" + b"\x05\x00" * 32_768,  # too many
    ],
)
def test_what_is_no_ber_is_refused(data):
    with pytest.raises(BadEncoding):
        read(data)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data):
    try:
        element = read(data)
    except BadEncoding:
        return
    assert bytes(element.raw) == data


@given(
    st.recursive(
        st.binary(max_size=8).map(_der.octets),
        lambda inner: st.lists(inner, max_size=4).map(lambda parts: _der.indefinite(_der.SEQUENCE, *parts)),
        max_leaves=20,
    ),
    st.data(),
)
def test_damaged_trees_are_read_or_refused(tree, data):
    at = data.draw(st.integers(0, len(tree) - 1))
    damaged = tree[:at] + bytes([data.draw(st.integers(0, 255))]) + tree[at + 1 :]
    with contextlib.suppress(BadEncoding):
        read(damaged)


@pytest.mark.parametrize("pattern", [b"\x30\x80", b"\x05\x00", b"\x30\x00", b"\x24\x80\x04\x00", b"\xa0\x82\x10\x00"])
def test_a_mebibyte_of_anything_is_refused_soon(pattern):
    data = pattern * (1_048_576 // len(pattern))
    started = time.process_time()

    for wrapped in (data, _der.element(_der.SEQUENCE, data)):
        with pytest.raises(BadEncoding):
            read(wrapped)
    assert time.process_time() - started < 2
