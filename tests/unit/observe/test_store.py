from __future__ import annotations

import logging
import shutil
import threading
from pathlib import Path

import pytest

from lamina.observe import LogStore, _writer
from tests.unit.observe.conftest import Make, messages, opened

WHERE = ("123456789012", "eu-west-1")


def test_what_is_written_can_be_read_at_once(store: LogStore) -> None:
    opened(store).write(5, "hello\n")
    page = store.events(*WHERE, "g")
    assert [(event.timestamp, event.stream, event.message) for event in page.events] == [(5, "s", "hello\n")]
    assert not page.more


def test_lines_of_one_message_stay_one_event(store: LogStore) -> None:
    opened(store).write(1, "Traceback:\n  line\n")
    assert messages(store) == ["Traceback:\n  line\n"]


@pytest.mark.parametrize(
    ("message", "expected"),
    [(b"caf\xc3\xa9", "café"), (b"\xff\n", "�\n"), ("\ud800", "?"), ("nul \0", "nul \0"), (b"", "")],
)
def test_any_bytes_can_be_written(store: LogStore, message: str | bytes, expected: str) -> None:
    opened(store).write(1, message)
    assert messages(store) == [expected]


def test_a_message_is_cut_at_the_limit(make_store: Make) -> None:
    store = make_store(message=10)
    opened(store).write(1, b"x" * 11)
    assert messages(store) == ["x" * 10]


def test_events_of_all_streams_are_in_time_order(store: LogStore) -> None:
    one, two = opened(store, "one"), opened(store, "two")
    one.write(1, "a")
    two.write(2, "b")
    one.write(3, "c")
    assert messages(store) == ["a", "b", "c"]
    assert messages(store, stream="one") == ["a", "c"]
    assert messages(store, stream=["two", "none"]) == ["b"]


def test_events_of_one_time_are_in_the_order_of_writing(store: LogStore) -> None:
    streams = [opened(store, "z"), opened(store, "a")]
    for number in range(20):
        streams[number % 2].write(7, str(number))
    assert messages(store) == [str(number) for number in range(20)]


def test_the_start_is_included_and_the_end_is_not(store: LogStore) -> None:
    for time in range(5):
        opened(store).write(time, str(time))
    assert messages(store, start_ms=1, end_ms=3) == ["1", "2"]


def test_accounts_and_regions_are_apart(store: LogStore) -> None:
    opened(store).write(1, "mine")
    assert store.groups("123456789012", "us-east-1") == []
    assert store.events("999999999999", "eu-west-1", "g").events == ()


def test_pages_lead_through_all_events(store: LogStore) -> None:
    for number in range(25):
        opened(store, f"s{number % 3}").write(number // 4, str(number))
    read: list[str] = []
    cursor = None
    more = True
    while more:
        page = store.events(*WHERE, "g", after=cursor, limit=4)
        assert len(page.events) <= 4
        read += [event.message for event in page.events]
        cursor, more = str(page.events[-1].position), page.more
    assert read == [str(number) for number in range(25)]


def test_a_cursor_goes_on_with_what_came_later(store: LogStore) -> None:
    stream, other = opened(store, "z"), opened(store, "a")
    stream.write(5, "old")
    cursor = str(store.events(*WHERE, "g").events[-1].position)
    other.write(5, "new")
    assert messages(store, after=cursor) == ["new"]


def test_the_newest_can_be_asked_for(store: LogStore) -> None:
    for number in range(9):
        opened(store).write(number, str(number))
    page = store.events(*WHERE, "g", newest=True, limit=3)
    assert [event.message for event in page.events] == ["6", "7", "8"]
    assert page.more
    assert messages(store, newest=True, limit=3, before=str(page.events[0].position)) == ["3", "4", "5"]


def test_a_page_is_bounded_in_bytes(store: LogStore) -> None:
    for number in range(9):
        opened(store).write(number, "x" * 100)
    assert len(messages(store, most_bytes=250)) == 2
    assert len(messages(store, most_bytes=1)) == 1


@pytest.mark.parametrize("cursor", ["x", "1", "-", "1-x", "-1-2"])
def test_a_cursor_that_is_none_is_refused(store: LogStore, cursor: str) -> None:
    with pytest.raises(ValueError, match="not a position"):
        store.events(*WHERE, "g", after=cursor)


def test_ids_differ_and_have_56_digits(store: LogStore) -> None:
    for _ in range(50):
        opened(store).write(1, "same")
    ids = {event.id for event in store.events(*WHERE, "g").events}
    assert len(ids) == 50
    assert {len(id_) for id_ in ids} == {56}


@pytest.mark.parametrize(
    "name",
    [
        "/aws/lambda/f",
        "2024/01/01/[$LATEST]0a",
        "..",
        ".",
        "../../up",
        "~",
        "a%2Fb",
        "ü" * 200,
        "n" * 512,
        "~group.json",
    ],
)
def test_any_name_is_safe_and_comes_back(store: LogStore, tmp_path: Path, name: str) -> None:
    opened(store, name, name).write(1, "here")
    assert store.groups(*WHERE) == [name]
    assert store.streams(*WHERE, name) == [name]
    assert messages(store, name, stream=name) == ["here"]
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]


def test_a_hostile_region_stays_inside(store: LogStore, tmp_path: Path) -> None:
    store.open("..", "../../..", "g", "s").write(1, "here")
    store.flush()
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]


def test_names_that_begin_alike_are_apart(store: LogStore) -> None:
    opened(store, "x" * 500 + "a").write(1, "a")
    opened(store, "x" * 500 + "b").write(1, "b")
    assert messages(store, stream="x" * 500 + "b") == ["b"]


def test_events_survive_a_restart(make_store: Make) -> None:
    first = make_store()
    opened(first).write(1, "before")
    first.close()
    second = make_store()
    opened(second).write(2, "after")
    assert messages(second) == ["before", "after"]


@pytest.mark.parametrize("torn", [b"[3,4,", b'[3,4,"no end"]', b'garbage\n{}\n[1]\n[1,2,"x"', bytes(100)])
def test_a_torn_end_is_passed_over(make_store: Make, tmp_path: Path, torn: bytes) -> None:
    first = make_store()
    opened(first).write(1, "whole")
    first.close()
    (segment,) = tmp_path.rglob("*.jsonl")
    with segment.open("ab") as file:
        file.write(torn)
    second = make_store()
    opened(second).write(2, "later")
    assert messages(second) == ["whole", "later"]
    assert second.stream_facts(*WHERE, "g", "s").last == 2


def test_facts_of_a_stream(store: LogStore) -> None:
    opened(store).write(5, "a")
    opened(store).write(9, "b")
    facts = store.stream_facts(*WHERE, "g", "s")
    assert (facts.name, facts.first, facts.last) == ("s", 5, 9)
    assert facts.created > 1_600_000_000_000
    assert facts.size > 0


def test_facts_of_a_group(store: LogStore) -> None:
    opened(store).write(5, "a")
    facts = store.group_facts(*WHERE, "g")
    assert facts.created > 1_600_000_000_000
    assert facts.size == store.stream_facts(*WHERE, "g", "s").size


def test_a_deleted_group_is_gone_and_can_begin_anew(store: LogStore) -> None:
    stream = opened(store)
    stream.write(1, "old")
    store.delete_group(*WHERE, "g")
    assert not store.has_group(*WHERE, "g")
    stream.write(2, "new")
    assert messages(store) == ["new"]
    assert store.groups(*WHERE) == ["g"]


def test_a_group_removed_by_hand_begins_anew(store: LogStore, tmp_path: Path) -> None:
    stream = opened(store)
    stream.write(1, "old")
    store.flush()
    shutil.rmtree(tmp_path / "logs/123456789012")
    stream.write(2, "new")
    assert messages(store) == ["new"]


def test_a_stream_keeps_its_newest_segments(make_store: Make) -> None:
    store = make_store(segment=1000, stream=4000)
    stream = opened(store)
    for number in range(200):
        stream.write(number, f"{number:03}" + "x" * 60)
        store.flush()
    assert store.stream_facts(*WHERE, "g", "s").size <= 5000
    kept = messages(store)
    assert kept[-1].startswith("199")
    assert [int(message[:3]) for message in kept] == list(range(200 - len(kept), 200))


def test_a_group_keeps_its_newest_events(make_store: Make) -> None:
    store = make_store(group=10_000, segment=1000)
    for number in range(100):
        opened(store, f"s{number}").write(number, f"{number:03}" + "x" * 200)
        store.flush()
    kept = messages(store)
    assert store.group_facts(*WHERE, "g").size <= 10_000
    assert kept[-1].startswith("099")
    assert len(store.streams(*WHERE, "g")) == len(kept) < 50


def test_a_group_keeps_its_newest_streams(make_store: Make) -> None:
    store = make_store(streams_per_group=10)
    for number in range(30):
        opened(store, f"s{number}").write(number, str(number))
        store.flush()
    assert len(store.streams(*WHERE, "g")) <= 10
    assert messages(store)[-1] == "29"


def test_too_much_for_memory_drops_the_oldest_and_says_so(make_store: Make) -> None:
    store = make_store(pending=100_000, delay_seconds=60)
    stream = opened(store)
    for number in range(1000):
        stream.write(number, b"x" * 800 if number < 999 else b"last")
    read = messages(store)
    dropped = 1000 - (len(read) - 1)
    assert 0 < dropped < 1000
    assert f"[lamina] {dropped} log events were dropped here: they came faster than the disk could take them.\n" in read
    assert "last" in read


def test_a_disk_that_refuses_is_reported_in_the_log_and_afterwards(
    store: LogStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    stream = opened(store)
    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(_writer, "append", full)
        stream.write(1, "lost")
        store.flush()
        stream.write(1, "lost too")
        store.flush()
    assert [record.message.count("No space left") for record in caplog.records] == [1]
    stream.write(2, "kept")
    read = messages(store)
    assert "kept" in read
    assert any(message.startswith("[lamina] 2 log events were dropped here") for message in read)


def test_nothing_waits_for_long(make_store: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = threading.Event()
    append = _writer.append

    def seen(*arguments: object) -> int:
        size = append(*arguments)  # type: ignore[arg-type]
        written.set()
        return size

    monkeypatch.setattr(_writer, "append", seen)
    opened(make_store(delay_seconds=0.01)).write(1, "by itself")
    assert written.wait(10)


def test_writers_in_many_threads_lose_nothing(store: LogStore) -> None:
    def write(name: str) -> None:
        stream = opened(store, name)
        for number in range(500):
            stream.write(number, "x")

    threads = [threading.Thread(target=write, args=(f"s{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(messages(store)) == 2000


def test_a_late_start_is_found_in_a_large_stream(store: LogStore) -> None:
    stream = opened(store)
    for second in range(5000):
        stream.write(1_700_000_000_000 + second * 1000, f"{second} " + "x" * 100)
    late = messages(store, start_ms=1_700_000_000_000 + 4_990_000)
    assert [message.split()[0] for message in late] == [str(second) for second in range(4990, 5000)]
