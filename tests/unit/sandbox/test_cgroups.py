from __future__ import annotations

from pathlib import Path

import pytest

from lamina.sandbox._cgroup_memory import MemoryV1, MemoryV2
from lamina.sandbox._cgroups import find, remove_recorded


def mounted(kind: str, point: str | Path, options: str, root: str = "/") -> str:
    return f"30 20 0:27 {root} {point} rw,relatime - {kind} {kind} rw,{options}\n"


def unified(directory: Path, controllers: str, **subtrees: str) -> None:
    directory.mkdir(exist_ok=True)
    (directory / "cgroup.controllers").write_text(controllers)
    (directory / "cgroup.subtree_control").write_text(subtrees.get("root", ""))
    for name, text in subtrees.items():
        if name != "root":
            (directory / name).mkdir()
            (directory / name / "cgroup.subtree_control").write_text(text)


def test_version_1_groups_are_made_below_the_launchers_own() -> None:
    table = mounted("cgroup", "/cg/memory", "memory") + mounted("cgroup", "/cg/pids", "pids")
    assert find("4:memory:/services/lamina\n3:pids:/\n", table) == {
        "memory": "/cg/memory/services/lamina",
        "pids": "/cg/pids",
    }


def test_a_hierarchy_mounted_from_inside_a_container_is_seen_from_its_root() -> None:
    table = mounted("cgroup", "/cg/memory", "memory", root="/docker/1")
    assert find("4:memory:/docker/1/inner\n", table) == {"memory": "/cg/memory/inner"}


def test_a_hybrid_machine_limits_by_version_1_and_freezes_by_version_2(tmp_path: Path) -> None:
    unified(tmp_path / "unified", "hugetlb")
    table = "".join(mounted("cgroup", f"/cg/{kind}", kind) for kind in ("memory", "pids", "freezer"))
    table += mounted("cgroup2", tmp_path / "unified", "nsdelegate")
    found = find("4:memory:/\n3:pids:/\n2:freezer:/\n0::/\n", table)
    assert found == {"memory": "/cg/memory", "pids": "/cg/pids", "unified": str(tmp_path / "unified")}


def test_version_2_takes_the_nearest_ancestor_that_delegates_memory(tmp_path: Path) -> None:
    unified(tmp_path, "cpu memory pids", root="memory pids", slice="cpu memory pids", service="")
    (tmp_path / "service").rename(tmp_path / "slice" / "service")
    found = find("0::/slice/service\n", mounted("cgroup2", tmp_path, "nsdelegate"))
    assert set(found.values()) == {str(tmp_path / "slice")}
    assert set(found) == {"memory", "pids", "cpu", "unified"}


def test_without_any_hierarchy_nothing_is_found() -> None:
    assert find("", "") == {}


def test_raising_a_version_1_limit_moves_the_limit_with_swap_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    for name in ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"):
        (tmp_path / name).write_text("100")
    monkeypatch.setattr("lamina.sandbox._cgroup_memory._write", lambda path, _: written.append(Path(path).name))
    memory = MemoryV1(str(tmp_path))
    memory.limit(200)
    memory.limit(50)
    raised, lowered = written[:2], written[2:]
    assert raised == ["memory.memsw.limit_in_bytes", "memory.limit_in_bytes"]
    assert lowered == raised[::-1]


def test_version_2_kills_a_whole_sandbox_and_counts_its_victims(tmp_path: Path) -> None:
    for name in ("memory.max", "memory.oom.group", "memory.swap.max"):
        (tmp_path / name).write_text("")
    (tmp_path / "memory.events").write_text("low 0\noom 1\noom_kill 3\n")
    memory = MemoryV2(str(tmp_path))
    memory.limit(1 << 27)
    assert (tmp_path / "memory.oom.group").read_text() == "1"
    assert (tmp_path / "memory.swap.max").read_text() == "0"
    assert (tmp_path / "memory.max").read_text() == str(1 << 27)
    assert memory.victims() == 3


def test_recorded_groups_are_removed_even_when_some_are_gone_already(tmp_path: Path) -> None:
    (tmp_path / "one" / "sandbox").mkdir(parents=True)
    record = tmp_path / "record"
    record.write_text(f"{tmp_path}/one\n{tmp_path}/gone\n")
    assert remove_recorded(str(record))
    assert not (tmp_path / "one").exists()
