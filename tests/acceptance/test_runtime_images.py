"""Zip functions whose runtime is an image: its root, its entry point, and the function's code mounted into it."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo._service import Service
from lamina.cli._runtimes import add, remove
from lamina.sandbox import native_architecture
from lamina.settings import Settings, load
from tests._image_trees import PYTHON, add_libraries, opened, python_layer, system_layer
from tests._registry import Registry, needs_registry, push

from .conftest import Functions, client, package

pytestmark = [needs_registry, pytest.mark.slow]
# As AWS's base images have it: the word is the handler.
ENTRYPOINT = f"""#!/bin/sh
export _HANDLER="$1" BEGUN_BY=/lambda-entrypoint.sh
exec {PYTHON} -S -m awslambdaric "$1"
"""
SOURCE = """
import os, sys
def handler(event, context):
    if event == "fail":
        raise ValueError("as it was asked to")
    return {"begun_by": os.environ.get("BEGUN_BY"), "root": sorted(os.listdir("/")), "cwd": os.getcwd(),
            "code": os.listdir("/var/task"), "of_image": os.environ.get("OF_IMAGE"), "own": os.environ.get("OWN"),
            "execution": os.environ["AWS_EXECUTION_ENV"], "writable": os.access("/var/task", os.W_OK)}
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry with one image: this machine's Python and AWS's runtime client."""
    folder = tmp_path_factory.mktemp("runtime-image")
    library = folder / "client/var/runtime"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", library]
    if subprocess.run([*command, "awslambdaric"], check=False, capture_output=True, timeout=200).returncode:
        pytest.skip("awslambdaric could not be installed")
    add_libraries(folder / "client", list(library.rglob("*.so")))
    (folder / "client/lambda-entrypoint.sh").write_text(ENTRYPOINT)
    (folder / "client/lambda-entrypoint.sh").chmod(0o755)
    layers = [system_layer(folder / "system"), python_layer(folder / "python"), opened(folder / "client")]
    running = Registry(folder / "registry")
    environment = ["OF_IMAGE=yes", "OWN=image", "LD_LIBRARY_PATH=/var/lang/lib", "PYTHONPATH=/var/runtime:/var/task"]
    config = {"Entrypoint": ["/lambda-entrypoint.sh"], "Env": environment, "WorkingDir": "/var/task"}
    push(running, "lambda/python", "own", [_tar(layer) for layer in layers], config,
         architecture={"x86_64": "amd64", "arm64": "arm64"}[native_architecture()])  # fmt: skip
    yield running
    running.stop()


def _tar(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for entry in sorted(folder.iterdir()):
            archive.add(entry, entry.name)
    return buffer.getvalue()


def settings_of(data: Path, registry: Registry) -> Settings:
    return load({"data": str(data), "registry": f"images.example={registry.url}"}, {}, None)


def test_a_zip_function_runs_in_its_runtimes_image_without_a_restart(registry: Registry, tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "data", registry)
    service = Service(settings.data, "--registry", settings.registry)
    try:
        functions = Functions(client(service.address))
        made = {"Runtime": "python3.14", "MemorySize": 256, "Environment": {"Variables": {"OWN": "function"}}}
        with pytest.raises(Exception, match="FunctionActiveV2 failed"):
            functions.create(SOURCE, **made)
        add(settings, "python3.14", "images.example/lambda/python:own", None)
        name = functions.create(SOURCE, **made)
        answer = functions.call(name)
        assert {"lambda-entrypoint.sh", "var"} <= set(answer.pop("root"))
        assert answer == {
            "begun_by": "/lambda-entrypoint.sh", "cwd": "/var/task", "code": ["app.py"], "of_image": "yes",
            "own": "function", "execution": "AWS_Lambda_python3.14", "writable": False}  # fmt: skip
        assert functions.fail(name, "fail")["errorType"] == "ValueError"
        functions.update(name, SOURCE.replace('"/var/task"', '"/var/lang"'))
        assert functions.call(name)["code"] != ["app.py"]
        remove(settings, "python3.14")
        functions.client.update_function_code(FunctionName=name, ZipFile=package(SOURCE))
        with pytest.raises(Exception, match="FunctionUpdatedV2 failed"):
            functions.client.get_waiter("function_updated_v2").wait(FunctionName=name)
        found = functions.client.get_function_configuration(FunctionName=name)
        assert found["LastUpdateStatusReasonCode"] == "InvalidRuntime"
        assert functions.call(name)["code"] != ["app.py"], "the environment that runs keeps its image"
    finally:
        service.stop()


def test_a_registry_that_is_gone_fails_the_deployment_with_the_images_name(registry: Registry, tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "data", registry)
    add(settings, "python3.14", "images.example/lambda/python:own", None)
    service = Service(settings.data, "--registry", "images.example=http://127.0.0.1:9")
    try:
        functions = Functions(client(service.address))
        with pytest.raises(Exception, match="FunctionActiveV2 failed"):
            functions.create(SOURCE, Runtime="python3.14")
        [found] = functions.client.list_functions()["Functions"]
        shown = functions.client.get_function_configuration(FunctionName=found["FunctionName"])
        assert shown["State"] == "Failed"
        assert "images.example/lambda/python@sha256:" in shown["StateReason"]
    finally:
        service.stop()
