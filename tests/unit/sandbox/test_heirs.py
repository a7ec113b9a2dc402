"""A sandbox that finds the ``/tmp`` of one that has ended, at every level."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lamina.sandbox import Limits, SandboxUnavailable

WRITE = (
    "import os, tempfile as t; f = t.gettempdir();"
    "open(f + '/note', 'w').write('kept'); os.path.isdir(f + '/d') or os.mkdir(f + '/d', 0o700)"
)
READ = (
    "import os, tempfile as t; f = t.gettempdir() + '/note'; print(open(f).read() if os.path.exists(f) else 'nothing')"
)
CHANGE = (
    "import tempfile as t; f = t.gettempdir() + '/note'; open(f, 'a').write(' and changed');"
    "open(t.gettempdir() + '/d/inside', 'w').write('x'); print(open(f).read())"
)


async def ended(inside: Any, code: str = WRITE, *, keep: bool = True, **spec: Any) -> str:
    sandbox = await inside.start(code, working_directory="/", **spec)
    output = (await inside.read(sandbox)).decode()
    await sandbox.exited
    sandbox.close(keep=keep)
    return f"{sandbox.id} {output}".strip()


async def test_the_heir_may_read_and_change_what_is_there(inside: Any) -> None:
    first = await ended(inside)
    second, output = (await ended(inside, CHANGE, heir_of=first)).split(" ", 1)
    assert output == "kept and changed"
    assert (await ended(inside, READ, heir_of=second, keep=False)).endswith("kept and changed")


async def test_a_disk_of_a_size_of_its_own_is_inherited(inside: Any) -> None:
    limits = Limits(memory_mb=128, tmp_mb=600)
    first = await ended(inside, limits=limits)
    assert (await ended(inside, READ, heir_of=first, limits=limits, keep=False)).endswith("kept")


async def test_one_that_was_killed_leaves_its_files_too(inside: Any) -> None:
    sandbox = await inside.start(f"{WRITE}; print('done', flush=True); import time; time.sleep(60)")
    await inside.read(sandbox, b"done\n")
    sandbox.freeze()
    sandbox.kill()
    await sandbox.exited
    sandbox.close(keep=True)
    assert (await ended(inside, READ, heir_of=sandbox.id, keep=False)).endswith("kept")


async def test_there_is_one_heir_and_none_of_what_was_not_kept(inside: Any) -> None:
    first = await ended(inside)
    await ended(inside, READ, heir_of=first, keep=False)
    for gone in (first, await ended(inside, keep=False)):
        with pytest.raises(SandboxUnavailable, match="nothing left"):
            await inside.start(READ, heir_of=gone)


async def test_what_is_released_is_gone(inside: Any) -> None:
    first = await ended(inside)
    inside.launcher.release(first)
    with pytest.raises(SandboxUnavailable, match="nothing left"):
        await inside.start(READ, heir_of=first)


async def test_others_find_nothing(inside: Any) -> None:
    if inside.launcher.level == "E":
        pytest.skip("at level E there is one /tmp for those who do not look at TMPDIR")
    await ended(inside)
    assert (await ended(inside, READ, keep=False)).endswith("nothing")


def descriptors(inside: Any) -> int:
    return len(list(Path(f"/proc/{inside.launcher._connection._process.pid}/fd").iterdir()))


async def test_users_and_descriptors_are_given_back(inside: Any) -> None:
    """Many more than a launcher could hold, if each left something."""
    before = descriptors(inside)
    for _ in range(20):
        await ended(inside, "", keep=False)
    heir = await ended(inside)
    for _ in range(5):
        heir = await ended(inside, "", heir_of=heir)
    inside.launcher.release(heir)
    await ended(inside, "", keep=False)
    await ended(inside, "", keep=False)
    after = descriptors(inside)
    assert after <= before + 16
