"""The server killed at every step of a deployment: the old code serves or the new, and nothing is left over.

It is killed exactly there, with its launcher or without: see ``_faulty_server``.
"""

from __future__ import annotations

import signal
from functools import partial

import pytest

from ._faults import CODE, World, around, code, sha256
from ._waiting import until

pytestmark = pytest.mark.slow

IN_STAGE = around("name in trees", "name in blobs", "name in records")
NOT_ACCEPTED = {
    "inline": [*around("check", "verify", "stage"), *IN_STAGE, "in write to blobs", "before accept",
               "before commit of accept"],
    "s3": [*around("read"), "before name in blobs", "after stage"],
    "reference": ["after read", "after name in trees"],
    "image": [*around("resolve"), "before commit of accept"],
    "encrypted": ["before stage", "before name in trees", *around("name in sealed"), "before commit of accept"],
    "rollback": [*around("read"), "after stage"],
    "publish": ["before commit of accept"],
    "create": ["after stage", "before commit of accept"],
    "create-image": ["after resolve"],
}  # fmt: skip
ACCEPTED = {
    "inline": ["after commit of accept", "after accept", *around("prepare", "warm"), "before swap",
               *around("commit of finish"), "after swap"],
    "s3": ["after accept", "after warm", "after commit of finish"],
    "reference": ["after accept", "after swap"],
    "image": ["after commit of accept", "before prepare", *around("name in layers", "name in layer-records",
              "name in images"), *around("warm"), *around("commit of finish")],
    "encrypted": ["after accept", "before warm", "before commit of finish"],
    "rollback": ["after accept", "before commit of finish"],
    "publish": ["after commit of accept", "before swap", *around("commit of finish")],
    "create": ["after commit of accept", *around("prepare"), *around("commit of finish")],
    "create-image": ["after accept", "after name in layers", "before commit of finish"],
}  # fmt: skip


def table(points: dict[str, list[str]]) -> list[tuple[str, str, str]]:
    """(source, point, action): every other kill takes the launcher along."""
    rows = [(source, point) for source, each in points.items() for point in each]
    return [(*row, ("kill", "kill-all")[number % 2]) for number, row in enumerate(rows)]


@pytest.mark.parametrize(("source", "point", "action"), table(NOT_ACCEPTED))
def test_killed_before_the_acceptance_nothing_has_changed(world: World, source: str, point: str, action: str) -> None:
    number = next(world.numbers)
    if source.startswith("create"):
        world.killed(action, point, world.change(source, number))
        world.start()
        with pytest.raises(world.client.exceptions.ResourceNotFoundException):
            world.client.get_function(FunctionName=world.name(source, number))
    else:
        old = world.have(source)
        before = world.facts(source)
        world.killed(action, point, world.change(source, number))
        world.start()
        assert world.facts(source) == before
        world.check(source, old)
    world.check_whole()


@pytest.mark.parametrize(("source", "point", "action"), table(ACCEPTED))
def test_killed_after_the_acceptance_the_update_is_finished(world: World, source: str, point: str, action: str) -> None:
    number = next(world.numbers)
    if not source.startswith("create"):
        world.have(source)
    change = world.change(source, number)
    number = world.target(source, number)
    world.killed(action, point, change)
    world.start()
    name = world.name(source, number)
    world.serving[name] = number
    world.check(name, number)
    if source == "publish":
        world.check_published(name, number)
    world.check_whole()


@pytest.mark.parametrize("point", ["after check", "after stage", *around("rehearse")])
def test_a_dry_run_that_is_killed_has_changed_nothing(world: World, point: str) -> None:
    old = world.have("inline")
    before = world.facts("inline")
    zipped = code(next(world.numbers))
    world.killed(
        "kill", point, lambda: world.client.update_function_code(FunctionName="inline", ZipFile=zipped, DryRun=True)
    )
    world.start()
    assert world.facts("inline") == before
    world.check("inline", old)
    world.check_whole()


@pytest.mark.parametrize("point", around("commit of publish_version"))
def test_a_version_whose_publication_is_killed_is_whole_or_absent(world: World, point: str) -> None:
    number = next(world.numbers)
    world.have("publish")
    world.functions.update("publish", CODE.format(number))
    world.serving["publish"] = number
    world.killed("kill", point, lambda: world.client.publish_version(FunctionName="publish"))
    world.start()
    if point.startswith("before"):
        world.client.publish_version(FunctionName="publish")
    world.check_published("publish", number)
    world.check_whole()


@pytest.mark.parametrize("point", around("commit of update_alias"))
def test_an_alias_that_is_killed_while_it_moves_is_here_or_there(world: World, point: str) -> None:
    world.have("alias")
    name, codes = "alias", {}
    for _ in range(2):
        version = world.client.publish_version(FunctionName=name)["Version"]
        codes[version] = world.serving[name]
        world.serving[name] = next(world.numbers)
        world.functions.update(name, CODE.format(world.serving[name]))
    old, new = codes
    label = f"moves-{new}"
    world.client.create_alias(FunctionName=name, Name=label, FunctionVersion=old)
    world.killed("kill", point, lambda: world.client.update_alias(FunctionName=name, Name=label, FunctionVersion=new))
    world.start()
    expected = old if point.startswith("before") else new
    assert world.client.get_alias(FunctionName=name, Name=label)["FunctionVersion"] == expected
    assert world.functions.call(name, Qualifier=label) == codes[expected]
    world.check_whole()


@pytest.mark.parametrize("point", ["before commit of accept", "after commit of accept", "before commit of finish"])
def test_a_configuration_that_is_killed_is_the_old_one_or_the_new(world: World, point: str) -> None:
    world.have("inline")
    before = world.client.get_function_configuration(FunctionName="inline")["Timeout"]
    change = partial(world.client.update_function_configuration, FunctionName="inline", Timeout=before + 1)
    world.killed("kill", point, change)
    world.start()
    shown = world.settled("inline")
    expected = before if point == "before commit of accept" else before + 1
    assert (shown["Timeout"], shown["LastUpdateStatus"]) == (expected, "Successful")
    assert world.functions.call("inline") == world.serving["inline"]
    world.check_whole()


@pytest.mark.parametrize("point", around("commit of remove_function"))
def test_a_function_whose_deletion_is_killed_is_whole_or_gone(world: World, point: str) -> None:
    number = world.have("deleted")
    world.killed("kill", point, partial(world.client.delete_function, FunctionName="deleted"))
    world.start()
    if point.startswith("before"):
        world.check("deleted", number)
        world.client.delete_function(FunctionName="deleted")
    del world.serving["deleted"]
    with pytest.raises(world.client.exceptions.ResourceNotFoundException):
        world.functions.call("deleted")
    world.check_whole()


@pytest.mark.parametrize("point", around("name in making"))
def test_killed_while_it_collects(world: World, point: str) -> None:
    """What is being removed is removed by the next start, and what is owned stays."""
    number = world.have("collected")
    world.client.delete_function(FunctionName="collected")
    del world.serving["collected"]
    old = world.have("inline")
    # The environments of what is deleted may have to end first.
    world.killed("kill", point, lambda: until(lambda: world.service.signal(signal.SIGUSR1) or world.service.ended))
    world.start()
    world.check("inline", old)
    world.check_whole()
    assert sha256(number) not in {each["To"] for each in world.history("inline")}


def test_killed_while_it_recovers(world: World) -> None:
    """What is in progress is finished by the third start."""
    number = next(world.numbers)
    world.have("inline")
    world.killed("kill", "before swap", world.change("inline", number))
    for point in ("before prepare", "before commit of finish"):
        world.order(f"kill-all {point}")
        with pytest.raises(SystemExit):
            world.start()
        assert world.reached()
    world.start()
    world.serving["inline"] = number
    world.check("inline", number)
    world.check_whole()
