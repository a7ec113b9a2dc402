from __future__ import annotations

import os
from typing import Any

import pytest

from lamina.sandbox import _messages as messages

LIMITS = {"memory_mb": 128, "tmp_mb": 512, "processes": 1024, "open_files": 1024}
START: dict[str, Any] = {
    "operation": "start",
    "request": 1,
    "sandbox": "a1",
    "argv": ["/bin/true"],
    "environment": {"NAME": "value"},
    "binds": [["/source", "/target", False]],
    "limits": LIMITS,
    "root": ["/layer"],
    "architecture": "arm64",
    "working_directory": "/",
    "template": "",
    "fork": False,
    "network": "none",
    "companions": {},
    "heir_of": "",
}


def test_a_well_formed_request_is_known_by_its_operation() -> None:
    assert messages.check(START) == "start"
    assert messages.check({"operation": "kill", "sandbox": "a1"}) == "kill"


@pytest.mark.parametrize(
    "changed",
    [
        {"operation": "execute"},
        {"operation": ["start"]},
        {"operation": None},
        {"extra": 1},
        {"request": "1"},
        {"request": True},
        {"sandbox": "../a"},
        {"sandbox": ""},
        {"argv": []},
        {"argv": ["/bin/true", 1]},
        {"argv": ["nul\0inside"]},
        {"environment": {"A": 1}},
        {"environment": {"A=B": "c"}},
        {"environment": {"": "c"}},
        {"binds": [["relative", "/target", False]]},
        {"binds": [["/source", "/a/../../etc", False]]},
        {"binds": [["/source", "/target"]]},
        {"binds": [["/source", "/target", 0]]},
        {"binds": ["/source"]},
        {"root": ["relative"]},
        {"root": ["/a/../b"]},
        {"root": [1]},
        {"architecture": "sparc"},
        {"architecture": None},
        {"network": "host"},
        {"network": 1},
        {"limits": {}},
        {"limits": {**LIMITS, "memory_mb": 0}},
        {"limits": {**LIMITS, "memory_mb": -1}},
        {"limits": {**LIMITS, "memory_mb": "128"}},
        {"limits": {**LIMITS, "memory_mb": True}},
        {"limits": {**LIMITS, "more": 1}},
    ],
    ids=repr,
)
def test_everything_else_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(messages.Refused):
        messages.check({**START, **changed})


def test_a_request_with_a_member_missing_is_refused() -> None:
    with pytest.raises(messages.Refused, match="exactly"):
        messages.check({"operation": "kill"})


@pytest.mark.parametrize("packet", [b"{", b"[]", b"\xff", b"1"])
def test_a_packet_that_is_no_object_is_refused(packet: bytes) -> None:
    ours, theirs = messages.pair()
    with ours, theirs:
        ours.send(packet)
        with pytest.raises(messages.Refused):
            messages.receive(theirs)


def test_messages_carry_descriptors_that_a_later_exec_does_not_inherit() -> None:
    ours, theirs = messages.pair()
    with ours, theirs:
        messages.send(ours, {"hello": "you"}, [ours.fileno()])
        message, descriptors = messages.receive(theirs)
    assert message == {"hello": "you"}
    assert [os.get_inheritable(descriptor) for descriptor in descriptors] == [False]
    os.close(descriptors[0])


def test_the_end_of_the_other_side_is_told() -> None:
    ours, theirs = messages.pair()
    ours.close()
    with theirs, pytest.raises(messages.Closed):
        messages.receive(theirs)


def test_a_message_too_long_to_send_is_refused() -> None:
    with pytest.raises(messages.Refused, match="too long"):
        messages.encode({"text": "x" * messages.MOST_BYTES})
