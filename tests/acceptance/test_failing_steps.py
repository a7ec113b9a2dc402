"""A step of a deployment that fails: refused, or ``Failed`` with a reason; the old code serves and nothing is left."""

from __future__ import annotations

import base64
import random
import time
from functools import partial

import click
import pytest
from botocore.exceptions import ClientError

from lamina.deploy._swap import INTERNAL_ERROR

from ._faults import CODE, Outside, World
from .conftest import package

pytestmark = pytest.mark.slow

REFUSED = {
    "inline": [("disk-full", "before name in trees"), ("disk-full", "in write to blobs"),
               ("disk-full", "before name in blobs"), ("disk-full", "before name in records"), ("memory", "in verify"),
               ("memory", "in stage"), ("state-full", "before commit of accept")],
    "s3": [("disk-full", "in read"), ("disk-full", "before name in trees")],
    "image": [("memory", "in resolve"), ("state-full", "before commit of accept")],
    "encrypted": [("disk-full", "before name in sealed"), ("disk-full", "before name in trees")],
    "rollback": [("disk-full", "in read"), ("state-full", "before commit of accept")],
    "publish": [("state-full", "before commit of accept")],
    "create": [("disk-full", "before name in records"), ("state-full", "before commit of accept")],
}  # fmt: skip


@pytest.mark.parametrize(
    ("source", "action", "point"), [(source, *each) for source, rows in REFUSED.items() for each in rows]
)
def test_a_fault_before_the_acceptance_refuses_the_update(
    world: World, source: str, action: str, point: str, caplog: pytest.LogCaptureFixture
) -> None:
    number = next(world.numbers)
    creating = source.startswith("create")
    before = None if creating else (world.have(source), world.facts(source))
    change, target = world.change(source, number), world.target(source, number)
    world.order(f"{action} {point}")
    with pytest.raises((ClientError, click.ClickException)) as refused:
        change()
    assert world.reached()
    assert "space" not in str(refused.value)
    if isinstance(refused.value, ClientError):
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    if before is not None:
        assert world.facts(source) == before[1]
        world.check(source, before[0])
    world.check_whole()
    change()
    name = world.name(source, number)
    world.serving[name] = target
    world.check(name, world.serving[name])


FAILED = [
    ("inline", "memory", "in prepare"),
    ("inline", "memory", "in warm"),
    ("inline", "disk-full", "in swap"),
    ("inline", "state-full", "before commit of finish"),
    ("publish", "state-full", "before commit of finish"),
    ("image", "disk-full", "before name in layers"),
    ("image", "disk-full", "before name in layer-records"),
    ("image", "disk-full", "before name in images"),
    ("encrypted", "memory", "in prepare"),
]


@pytest.mark.parametrize(("source", "action", "point"), FAILED)
def test_a_fault_after_the_acceptance_fails_the_update(world: World, source: str, action: str, point: str) -> None:
    old, number = world.have(source), next(world.numbers)
    change = world.change(source, number)
    world.order(f"{action} {point}")
    answer = change()
    shown = world.check(source, old, status="Failed")
    assert world.reached()
    assert shown["LastUpdateStatusReasonCode"] == "InternalError"
    assert shown["LastUpdateStatusReason"] == INTERNAL_ERROR
    if source == "publish":
        failed = world.client.get_function_configuration(FunctionName=source, Qualifier=answer["Version"])
        assert (failed["State"], failed["StateReasonCode"]) == ("Failed", "InternalError")
    world.check_whole()
    change()
    world.serving[source] = number
    world.check(source, number)
    world.check_whole()


@pytest.mark.parametrize("source", ["inline", "image"])
def test_a_disk_that_is_full_for_a_while_delays_the_end_of_the_update(world: World, source: str) -> None:
    number = next(world.numbers)
    world.have(source)
    change = world.change(source, number)
    world.order(*["state-full before commit of finish", "state-full before commit of fail"] * 2)
    change()
    world.settled(source)
    assert world.reached()
    world.serving[source] = number
    world.check(source, number)
    world.check_whole()


@pytest.mark.parametrize(
    ("source", "point"),
    [
        ("inline", "before accept"),
        ("inline", "in warm"),
        ("inline", "in swap"),
        ("image", "in prepare"),
        ("image", "in warm"),
        ("encrypted", "in prepare"),
    ],
)
def test_without_its_launcher_an_update_is_finished(world: World, source: str, point: str) -> None:
    number = next(world.numbers)
    world.have(source)
    change = world.change(source, number)
    world.order(f"launcher {point}")
    change()
    world.settled(source)
    assert world.reached()
    world.serving[source] = number
    world.check(source, number)
    world.check_whole()


def large(number: int) -> bytes:
    """A package that does not come in one piece: its content cannot be compressed."""
    noise = random.Random(number).randbytes(2_000_000)
    return package(CODE.format(number) + f"NOISE = {base64.b64encode(noise).decode()!r}\n")


@pytest.mark.parametrize("size", [None, 1_000_000])
def test_s3_that_goes_away_refuses_the_update(world: World, outside: Outside, size: int | None) -> None:
    old, number = world.have("s3"), next(world.numbers)
    before = world.facts("s3")
    outside.s3.put_object(Bucket="code", Key="large", Body=large(number))
    if size is None:
        outside.s3_link.cut()
    else:
        outside.s3_link.cut_after(size)
    with pytest.raises(ClientError) as refused:
        world.client.update_function_code(FunctionName="s3", S3Bucket="code", S3Key="large")
    assert refused.value.response["Error"]["Code"] == "ServiceException"
    assert world.facts("s3") == before
    world.check("s3", old)
    world.check_whole()
    outside.mend()
    world.client.update_function_code(FunctionName="s3", S3Bucket="code", S3Key="large")
    world.settled("s3")
    assert world.functions.call("s3") == number
    world.serving["s3"] = next(world.numbers)
    world.change("s3", world.serving["s3"])()
    world.check("s3", world.serving["s3"])
    world.check_whole()


def test_a_registry_that_is_gone_refuses_the_update(world: World, outside: Outside) -> None:
    old, number = world.have("image"), next(world.numbers)
    before, change = world.facts("image"), world.change("image", number)
    outside.registry_link.cut()
    with pytest.raises(ClientError) as refused:
        change()
    assert refused.value.response["Error"]["Code"] == "ServiceException"
    assert world.facts("image") == before
    world.check("image", old)
    world.check_whole()


@pytest.mark.parametrize("size", [None, 1_000_000])
def test_a_registry_that_goes_away_fails_the_update(world: World, outside: Outside, size: int | None) -> None:
    old, number = world.have("image"), next(world.numbers)
    uri = outside.push(number, random.Random(number).randbytes(2_000_000))
    change = partial(world.client.update_function_code, FunctionName="image", ImageUri=uri)
    with world.held("before prepare", change):
        if size is None:
            outside.registry_link.cut()
        else:
            outside.registry_link.cut_after(size)
    shown = world.check("image", old, status="Failed")
    assert shown["LastUpdateStatusReasonCode"] == "InternalError"
    world.check_whole()
    outside.mend()
    change()
    world.serving["image"] = number
    world.check("image", number)
    world.check_whole()


def test_a_kms_that_is_gone_refuses_the_update(world: World, outside: Outside) -> None:
    old, number = world.have("encrypted"), next(world.numbers)
    before, change = world.facts("encrypted"), world.change("encrypted", number)
    outside.kms_link.cut()
    with pytest.raises(ClientError):
        change()
    assert world.facts("encrypted") == before
    outside.mend()
    world.check("encrypted", old)
    world.check_whole()


def test_a_kms_that_goes_away_fails_the_update(world: World, outside: Outside) -> None:
    old, number = world.have("encrypted"), next(world.numbers)
    change = world.change("encrypted", number)
    with world.held("before prepare", change):
        outside.kms_link.cut()
    world.settled("encrypted")
    outside.mend()
    shown = world.check("encrypted", old, status="Failed")
    assert shown["LastUpdateStatusReasonCode"] in {"InternalError", "KMSInternalException"}
    world.check_whole()


def test_a_start_without_a_registry_serves_the_old_code(world: World, outside: Outside) -> None:
    """The update that was in progress fails when the registry does not answer; everything else goes on meanwhile."""
    old, number = world.have("image"), next(world.numbers)
    other = world.have("inline")
    world.killed("kill", "before prepare", world.change("image", number))
    outside.registry_link.stall()
    began = time.monotonic()
    world.start()
    assert time.monotonic() - began < 5
    assert world.functions.call("inline") == other
    assert world.functions.call("image") == old
    assert world.client.get_function_configuration(FunctionName="image")["LastUpdateStatus"] == "InProgress"
    outside.registry_link.cut()
    world.check("image", old, status="Failed")
    world.check_whole()


def test_an_end_does_not_wait_for_a_registry(world: World, outside: Outside) -> None:
    number = next(world.numbers)
    world.have("image")
    change = world.change("image", number)
    with world.held("before prepare", change):
        outside.registry_link.stall()
    began = time.monotonic()
    world.service.stop()
    assert time.monotonic() - began < 5
    outside.mend()
    world.start()
    world.serving["image"] = number
    world.check("image", number)
    world.check_whole()
