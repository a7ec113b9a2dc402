"""Rows of docs/update-function-code.md: container images."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo._service import Service
from lamina.sandbox import Launcher, native_architecture
from tests._image_trees import compiled
from tests._registry import MANIFEST, Registry, delete_manifest, layer, needs_registry, push, send

from ._waiting import until
from .conftest import QUICKLY, Functions, client, package
from .test_image_environment import ECHO
from .test_update_function_code import refused, shown
from .test_update_function_code_history import Cli
from .test_update_function_code_sources import end_environment, error_of, update, wait_for_state

pytestmark = needs_registry
ECR = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
PLATFORMS = {"x86_64": "amd64", "arm64": "arm64"}
# Says what its command is, and ends when it is told to.
SPEAKER = (
    ECHO.replace("int main(void)", "int main(int argc, char **argv)")
    .replace("names.machine", "argv[1]")
    .replace("machine", "says")
    .replace("#include <arpa", "#define _GNU_SOURCE\n#include <arpa")
    .replace("        snprintf(body", '        if (!strncmp(event, "\\"end\\"", 5)) return 1;\n        snprintf(body')
)
Push = Callable[..., str]


async def _level(folder: Path) -> str:
    launcher = await Launcher.open(folder)
    await launcher.close()
    return launcher.level


@pytest.fixture(scope="module")
def speaker(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The program of the images."""
    folder = tmp_path_factory.mktemp("speaker")
    if asyncio.run(_level(folder)) == "E":
        pytest.skip("this machine lets this user isolate nothing, and images need a root of their own")
    return compiled(SPEAKER, folder / "bootstrap").read_bytes()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    started = Registry(tmp_path_factory.mktemp("registry") / "plain")
    yield started
    started.stop()


@pytest.fixture
def push_image(registry: Registry, speaker: bytes, request: pytest.FixtureRequest) -> Push:
    """Pushes to the test's own repository an image that says something; its digest."""

    def pushing(tag: str, says: str, *, to: Registry = registry, **how: Any) -> str:
        # What one test has fetched is no other's.
        own = f"{says} of {request.node.originalname}".encode()
        tar = layer({"bootstrap": speaker, "own": own}, {"bootstrap": 0o755})
        config = {"Entrypoint": ["/bootstrap"], "Cmd": [says]}
        how = {"architecture": PLATFORMS[native_architecture()]} | how
        return push(to, request.node.originalname, tag, [tar], config, **how)

    return pushing


@pytest.fixture
def repository(registry: Registry, request: pytest.FixtureRequest) -> str:
    """The URI of the test's own repository, by the registry's address."""
    return f"{registry.host}/{request.node.originalname}"


def create(functions: Functions, uri: str, **members: Any) -> str:
    """An active image function."""
    return functions.create("", Code={"ImageUri": uri}, PackageType="Image", Runtime=None, Handler=None, **members)


def says(functions: Functions, name: str) -> str:
    """What the function's image says."""
    text: str = functions.call(name, 1)["says"]
    return text


def test_image_uri(registry: Registry, push_image: Push, start: Callable[..., Service]) -> None:
    uri = f"{ECR}/test_image_uri:v1"
    digest = push_image("v1", "one")
    service = start("--registry", f"{ECR}={registry.url}")
    functions = Functions(client(service.address))
    name = create(functions, uri)
    assert says(functions, name) == "one"
    found = functions.client.get_function(FunctionName=name)
    resolved = f"{ECR}/test_image_uri@{digest}"
    assert found["Code"] == {"RepositoryType": "ECR", "ImageUri": uri, "ResolvedImageUri": resolved}
    configuration = found["Configuration"]
    assert (configuration["CodeSha256"], configuration["CodeSize"]) == (digest.removeprefix("sha256:"), 0)
    assert configuration["PackageType"] == "Image"
    assert not {"Runtime", "Handler", "RuntimeVersionConfig"} & configuration.keys()

    moved = push_image("v1", "two")
    end_environment(functions, name)
    assert says(functions, name) == "one"
    service.stop()
    service = start("--registry", f"{ECR}={registry.url}")
    functions = Functions(client(service.address))
    assert says(functions, name) == "one"
    answer = update(functions, name, ImageUri=uri)
    assert (answer["CodeSha256"], answer["CodeSize"]) == (moved.removeprefix("sha256:"), 0)
    assert says(functions, name) == "two"
    update(functions, name, ImageUri=resolved)
    assert says(functions, name) == "one"


def test_image_uri_refused(functions: Functions, repository: str, push_image: Push) -> None:
    push_image("v1", "one")
    name = create(functions, f"{repository}:v1")
    for uri, message in (
        (f"{repository}:v2", f"Source image {repository}:v2 does not exist. Provide a valid source image."),
        (repository, f"Source image {repository} is not valid. Provide a valid source image."),
    ):
        assert refused(functions.client, name, ImageUri=uri) == ("InvalidParameterValueException", message)
    wrong_region = f"{ECR.replace('us-east-1', 'eu-west-1')}/app:v1"
    assert refused(functions.client, name, ImageUri=wrong_region)[0] == "InvalidParameterValueException"
    expected = "Please provide ImageUri when updating a function with packageType Image."
    for members in ({"ZipFile": package("")}, {"S3Bucket": "bucket", "S3Key": "key"}):
        assert refused(functions.client, name, **members) == ("InvalidParameterValueException", expected)
    assert says(functions, name) == "one"


def test_image_architecture(functions: Functions, repository: str, push_image: Push) -> None:
    here = native_architecture()
    other = {"x86_64": "arm64", "arm64": "x86_64"}[here]
    push_image("v1", "one")
    push_image("v2", "two", architecture=PLATFORMS[other])
    name = create(functions, f"{repository}:v1")
    code, message = refused(functions.client, name, ImageUri=f"{repository}:v2")
    assert (code, f"is for {other}" in message) == ("InvalidParameterValueException", True)
    assert f"the function's architecture is {here}" in message


def test_image_config(functions: Functions, repository: str, push_image: Push) -> None:
    push_image("v1", "one")
    push_image("v2", "two")
    own = {"EntryPoint": ["/bootstrap"], "Command": ["overridden"], "WorkingDirectory": "/tmp"}
    name = create(functions, f"{repository}:v1", ImageConfig=own)
    assert says(functions, name) == "overridden"
    answer = update(functions, name, ImageUri=f"{repository}:v2")
    assert answer["ImageConfigResponse"] == {"ImageConfig": own}
    assert shown(functions.client, name)["ImageConfigResponse"] == {"ImageConfig": own}
    assert says(functions, name) == "overridden"
    functions.client.update_function_configuration(FunctionName=name, ImageConfig={})
    functions.client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=QUICKLY)
    assert "ImageConfigResponse" not in shown(functions.client, name)
    assert says(functions, name) == "two"


def test_image_publish_and_dry_run(functions: Functions, repository: str, push_image: Push) -> None:
    push_image("v1", "one")
    digest = push_image("v2", "two")
    name = create(functions, f"{repository}:v1", Publish=True)
    before = shown(functions.client, name)
    answer = functions.client.update_function_code(FunctionName=name, ImageUri=f"{repository}:v2", DryRun=True)
    assert (answer["CodeSha256"], answer["CodeSize"]) == (digest.removeprefix("sha256:"), 0)
    assert shown(functions.client, name) == before
    assert update(functions, name, ImageUri=f"{repository}:v2", Publish=True)["Version"] == "2"
    answers = [functions.call(name, 1, Qualifier=each)["says"] for each in ("1", "2", "$LATEST")]
    assert answers == ["one", "two", "two"]


def test_image_access_denied(functions: Functions, repository: str, push_image: Push, tmp_path: Path) -> None:
    push_image("v1", "one")
    name = create(functions, f"{repository}:v1")
    guarded = Registry(tmp_path / "guarded", auth={"htpasswd": {}})
    try:
        with pytest.raises(ClientError) as error:
            functions.client.update_function_code(FunctionName=name, ImageUri=f"{guarded.host}/app:v1")
    finally:
        guarded.stop()
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert error.value.response["Error"]["Code"] == "AccessDeniedException"
    assert error.value.response["Error"]["Message"] == (
        "Lambda does not have permission to access the ECR image. Check the ECR permissions."
    )
    assert says(functions, name) == "one"


def test_state_inactive_without_its_image(
    functions: Functions, service: Service, registry: Registry, repository: str, push_image: Push
) -> None:
    digest = push_image("v1", "one")
    name = create(functions, f"{repository}:v1")
    assert says(functions, name) == "one"
    delete_manifest(registry, repository.partition("/")[2], digest)
    end_environment(functions, name)
    assert says(functions, name) == "one", "what was fetched is still here"
    forget_images(service)
    code, status, message = error_of(functions, name)
    assert (code, status) == ("ResourceNotReadyException", 502)
    assert message == f"Source image {repository}@{digest} does not exist. Provide a valid source image."
    assert wait_for_state(functions, name, "Inactive") == ("ImageDeleted", message)
    assert push_image("v1", "one") == digest
    assert says(functions, name) == "one"
    assert wait_for_state(functions, name, "Active") == (None, None)


def test_state_inactive_without_its_registry(
    functions: Functions, service: Service, repository: str, push_image: Push, tmp_path: Path
) -> None:
    other = Registry(tmp_path / "other")
    digest = push_image("v1", "one", to=other)
    name = create(functions, f"{other.host}/{repository.partition('/')[2]}:v1")
    assert says(functions, name) == "one"
    other.stop()
    end_environment(functions, name)
    assert says(functions, name) == "one", "nobody needs the registry"
    forget_images(service)
    code, status, message = error_of(functions, name)
    assert (code, status, other.host in message) == ("ResourceNotReadyException", 502, False)
    assert wait_for_state(functions, name, "Inactive") == ("InternalError", message)
    assert push_image("v1", "one") == digest
    update(functions, name, ImageUri=f"{repository}:v1")
    assert says(functions, name) == "one"
    assert wait_for_state(functions, name, "Active") == (None, None)


def forget_images(service: Service) -> None:
    """Take away all that the service has fetched."""
    for folder in ("images", "layers", "layer-records"):
        shutil.rmtree(service.data / "images" / folder)
        (service.data / "images" / folder).mkdir(mode=0o700)


def test_rollback_to_an_image(functions: Functions, service: Service, repository: str, push_image: Push) -> None:
    first = push_image("v1", "one")
    name = create(functions, f"{repository}:v1")
    push_image("v1", "two")
    update(functions, name, ImageUri=f"{repository}:v1")
    assert says(functions, name) == "two"
    lamina = Cli(service)
    assert lamina("rollback", name) == [f"{name} has the code {first.removeprefix('sha256:')}"]
    functions.client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=QUICKLY)
    assert says(functions, name) == "one"
    assert "has no zip to look into" in lamina.refusal("diff", name, "1", "2")


def test_last_update_status_failed_without_a_layer(
    functions: Functions, registry: Registry, repository: str, push_image: Push
) -> None:
    push_image("v1", "one")
    name = create(functions, f"{repository}:v1")
    assert says(functions, name) == "one"
    before = shown(functions.client, name)
    digest = push_image("v2", "two")
    delete_layers(registry, repository.partition("/")[2], "v2")
    functions.client.update_function_code(FunctionName=name, ImageUri=f"{repository}:v2")
    until(lambda: shown(functions.client, name)["LastUpdateStatus"] != "InProgress")
    after = shown(functions.client, name)
    assert (after["LastUpdateStatus"], after["LastUpdateStatusReasonCode"]) == ("Failed", "ImageDeleted")
    assert f"{repository}@{digest}" in after["LastUpdateStatusReason"]
    assert (after["State"], after["CodeSha256"]) == ("Active", before["CodeSha256"])
    end_environment(functions, name)
    assert says(functions, name) == "one"


def delete_layers(registry: Registry, repository: str, tag: str) -> None:
    """Remove the layers of an image from the registry; its manifest stays."""
    base = f"{registry.url}/v2/{repository}"
    manifest, _ = send(registry, "GET", f"{base}/manifests/{tag}", headers={"Accept": MANIFEST})
    for each in json.loads(manifest)["layers"]:
        send(registry, "DELETE", f"{base}/blobs/{each['digest']}")
