"""The two servers that a benchmark compares, and functions on the one that is measured."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from demo._service import Service

RUNTIME = f"python3.{sys.version_info.minor}"
ROLE = "arn:aws:iam::000000000000:role/bench"


@dataclass(frozen=True, slots=True)
class Bed:
    """Addresses of the service and of the null application, and a client of the service."""

    address: str
    null_address: str
    client: Any

    def create(self, name: str, source: str, **members: Any) -> None:
        """A Python function with one file, active."""
        code = {"ZipFile": package({"app.py": source.encode()})}
        values = {"Runtime": RUNTIME, "Handler": "app.handler", "Role": ROLE, "Code": code, **members}
        self.client.create_function(FunctionName=name, **values)
        self.client.get_waiter("function_active_v2").wait(FunctionName=name)

    def invoke(self, name: str) -> Any:
        """The answer of a function."""
        answer = self.client.invoke(FunctionName=name)
        body = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise RuntimeError(body)
        return body


@contextmanager
def bed() -> Iterator[Bed]:
    """Both servers, for the time of the block."""
    with tempfile.TemporaryDirectory(prefix="lamina-bench-") as folder:
        null = subprocess.Popen([sys.executable, "-m", "bench._null"], stdout=subprocess.PIPE, text=True)
        assert null.stdout is not None
        service = Service(Path(folder) / "data")
        try:
            yield Bed(service.address, f"http://127.0.0.1:{int(null.stdout.readline())}", _client(service.address))
        finally:
            service.stop()
            null.terminate()
            null.wait()


def _client(address: str) -> Any:
    return boto3.client(
        "lambda",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}, read_timeout=120),
    )


def package(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()
