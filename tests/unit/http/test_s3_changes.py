"""What the gateway keeps from a store that has not all sub-resources of S3."""

from __future__ import annotations

import asyncio
import gc

import pytest

from lamina.http._s3_changes import Changes
from lamina.http._s3_errors import S3Error
from lamina.objects import SubResources

HAS = SubResources(
    of_buckets={"PUT": frozenset({b"acl", b"cors"}), "DELETE": frozenset({b"cors"})},
    not_of_objects=frozenset({b"annotation"}),
)


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("DELETE", b"/code", b"website"),
        ("DELETE", b"/code/", b"website="),
        ("DELETE", b"/code", b"%77ebsite="),
        ("DELETE", b"/c%6fde%2F", b"analytics&id=1"),
        ("DELETE", b"/code", b"acl"),
        ("PUT", b"/code", b"cors&notification"),
        ("PUT", b"/code", b"X-Amz-Date=1&notification="),
        ("PUT", b"/code/a/b", b"annotation"),
        ("DELETE", b"/code/k", b"annotation=&versionId=1"),
    ],
)
async def test_what_the_store_has_not_is_refused(method: str, path: bytes, query: bytes) -> None:
    with pytest.raises(S3Error) as refused:
        async with Changes().turn(method, path, query, HAS):
            pass
    assert (refused.value.status, refused.value.code) == (501, "NotImplemented")


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("PUT", b"/code", b""),
        ("PUT", b"/code", b"acl="),
        ("PUT", b"/code", b"x-id=CreateBucket"),
        ("DELETE", b"/code/", b"cors&X-Amz-Signature=1"),
        ("GET", b"/code", b"website"),
        ("POST", b"/code", b"delete"),
        ("PUT", b"/code/website", b"partNumber=1&uploadId=2"),
        ("PUT", b"/code/k", b"anything"),
    ],
)
async def test_all_else_is_not(method: str, path: bytes, query: bytes) -> None:
    async with Changes().turn(method, path, query, HAS):
        pass


async def test_a_store_with_all_of_s3_gets_all_at_once() -> None:
    changes = Changes()
    async with changes.turn("DELETE", b"/code", b"website", None), changes.turn("DELETE", b"/code", b"website", None):
        pass


async def test_a_bucket_is_changed_by_one_at_a_time() -> None:
    changes, order, go_on = Changes(), list[str](), asyncio.Event()

    async def change(name: str, path: bytes, query: bytes) -> None:
        async with changes.turn("PUT", path, query, HAS):
            order.append(name)
            await go_on.wait()
            order.append(f"{name} done")

    tasks = [
        asyncio.create_task(change("cors", b"/code", b"cors")),
        asyncio.create_task(change("acl", b"/code/", b"acl")),
        asyncio.create_task(change("gone", b"/code", b"cors")),
        asyncio.create_task(change("object", b"/code/k", b"")),
        asyncio.create_task(change("other", b"/other", b"cors")),
    ]
    await asyncio.sleep(0)
    assert order == ["cors", "object", "other"]
    tasks[2].cancel()
    go_on.set()
    await asyncio.wait(tasks)
    assert order.index("acl") > order.index("cors done")
    assert "gone" not in order
    tasks.clear()
    gc.collect()
    assert not changes._turns
