"""Each row of docs/update-function-code.md: the members of the request and the answer that need no other service."""

from __future__ import annotations

import base64
import hashlib
import io
import threading
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo._service import Service
from lamina.runtimes import Runtimes
from lamina.sandbox import native_architecture
from tests._image_trees import CROSS_COMPILER, compiled

from ._waiting import until
from .conftest import QUICKLY, ROLE, RUNTIME, Functions, client, package
from .test_image_environment import ECHO

SAYS = "def handler(event, context):\n    return {!r}\n"
NO_ZIP = "Could not unzip uploaded file. Please check your file, then try to upload again."
CREATING = "The function is being created."
OF_UPDATES = {"CodeSha256", "CodeSize", "LastModified", "LastUpdateStatus", "LastUpdateStatusReason",
              "LastUpdateStatusReasonCode", "RevisionId"}  # fmt: skip
ABSENT = {"AcceleratorConfig", "CapacityProviderConfig", "ConfigSha256", "DurableConfig", "MasterArn", "RuntimeConfig",
          "TenancyConfig"}  # fmt: skip


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that stays InProgress long enough to be met there, with room for a little code."""
    started = Service(tmp_path_factory.mktemp("slow") / "data", "--update-window", "300", "--code-storage", "5000")
    yield started
    started.stop()


def refused(made: Any, name: str, **members: Any) -> tuple[str, str]:
    """Code and message of an update that is refused and leaves everything as it was."""
    before = made.get_function_configuration(FunctionName=name)
    with pytest.raises(ClientError) as error:
        made.update_function_code(FunctionName=name, **members)
    after = made.get_function_configuration(FunctionName=name)
    assert {**before, "ResponseMetadata": 0} == {**after, "ResponseMetadata": 0}
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


def shown(made: Any, name: str, **members: Any) -> dict[str, Any]:
    """The configuration as GetFunction shows it."""
    configuration: dict[str, Any] = made.get_function(FunctionName=name, **members)["Configuration"]
    return configuration


def sha256_of(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def test_function_name(functions: Functions) -> None:
    name = functions.create(SAYS.format(0))
    functions.client.publish_version(FunctionName=name)
    functions.client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    arn = f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
    for number, given in enumerate((name, f"function:{name}", f"000000000000:function:{name}", arn)):
        functions.client.update_function_code(FunctionName=given, ZipFile=package(SAYS.format(number)))
        functions.client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=QUICKLY)
        assert functions.call(name) == number
    for qualifier in ("1", "live"):
        code, message = refused(functions.client, f"{arn}:{qualifier}", ZipFile=package(SAYS.format("x")))
        assert (code, "Aliases and versions do not support" in message) == ("InvalidParameterValueException", True)
        assert functions.call(name, Qualifier=qualifier) == 0


def test_zip_file(functions: Functions, service: Service) -> None:
    source = SAYS.format("new") + "# as long as what is worth compiling\n" * 500
    name = functions.create(SAYS.format("old"))
    data = package(source)
    answer = functions.update(name, source)
    assert (answer["CodeSha256"], answer["CodeSize"]) == (sha256_of(data), len(data))
    assert functions.call(name) == "new"
    tree = service.data / "packages" / "trees" / hashlib.sha256(data).hexdigest()
    [bytecode] = tree.rglob("*.pyc")
    unpacked = {path: path.lstat().st_ctime_ns for path in (tree, tree / "app.py", bytecode)}
    functions.update(name, source)
    assert functions.call(name) == "new"
    assert {path: path.lstat().st_ctime_ns for path in unpacked} == unpacked

    code, message = refused(functions.client, name, ZipFile=bytes(52_428_801))
    assert (code, message) == ("RequestEntityTooLargeException", "Zipped size must be smaller than 52428800 bytes")
    # One name for those who read the central directory, another for those who read from the front.
    two_faced = data.replace(b"app.py", b"abp.py", 1)
    assert refused(functions.client, name, ZipFile=two_faced) == ("InvalidParameterValueException", NO_ZIP)
    assert functions.call(name) == "new"


def test_architectures(functions: Functions) -> None:
    here = native_architecture()
    other = {"x86_64": "arm64", "arm64": "x86_64"}[here]
    name = functions.create(SAYS.format("old"), Architectures=[here])
    assert functions.update(name, SAYS.format("new"))["Architectures"] == [here]
    new = package(SAYS.format("elsewhere"))
    answer = functions.client.update_function_code(FunctionName=name, ZipFile=new, Architectures=[other])
    assert (answer["Architectures"], answer["CodeSha256"]) == ([other], sha256_of(new))
    until(lambda: shown(functions.client, name)["LastUpdateStatus"] == "Failed")
    after = shown(functions.client, name)
    assert (after["Architectures"], after["LastUpdateStatusReasonCode"]) == ([here], "InvalidRuntime")
    assert f"for {other} cannot run here" in after["LastUpdateStatusReason"]
    assert functions.call(name) == "new"

    lax = client(functions.client.meta.endpoint_url, parameter_validation=False)
    code, message = refused(lax, name, ZipFile=new, Architectures=["x86_64", "arm64"])
    assert code == "ValidationException"
    assert "'[x86_64, arm64]' at 'architectures' failed to satisfy constraint" in message
    code, message = refused(lax, name, ZipFile=new, Architectures=["X86_64"])
    assert (code, "enum value set: [x86_64, arm64]" in message) == ("ValidationException", True)
    code, message = refused(lax, name, Architectures=[other])
    assert message == "Please provide a source for function code."


def test_architectures_emulated(functions: Functions, tmp_path: Path) -> None:
    if native_architecture() != "x86_64":
        pytest.skip("this machine is not x86_64")
    foreign = package(compiled(ECHO, tmp_path / "arm64", CROSS_COMPILER).read_bytes(), "bootstrap", 0o755)
    native = package(compiled(ECHO, tmp_path / "x86_64").read_bytes(), "bootstrap", 0o755)
    name = functions.create(
        "", Runtime="provided.al2023", Code={"ZipFile": native}, Architectures=["x86_64"], Timeout=20
    )
    assert functions.call(name, 1)["machine"] == "x86_64"
    functions.client.update_function_code(FunctionName=name, ZipFile=foreign, Architectures=["arm64"])
    until(lambda: shown(functions.client, name)["LastUpdateStatus"] != "InProgress")
    if shown(functions.client, name)["LastUpdateStatus"] == "Failed":
        reason = shown(functions.client, name)["LastUpdateStatusReason"]
        assert "qemu" in reason
        assert functions.call(name, 1)["machine"] == "x86_64"
        pytest.skip(reason)
    assert functions.call(name, 1)["machine"] == "aarch64"
    again = functions.client.update_function_code(FunctionName=name, ZipFile=foreign)
    assert again["Architectures"] == ["arm64"]


def test_publish(functions: Functions) -> None:
    made = functions.client
    name = functions.create(SAYS.format("zero"))
    arn = shown(made, name)["FunctionArn"]
    answer = made.update_function_code(FunctionName=name, ZipFile=package(SAYS.format("one")), Publish=True)
    assert (answer["Version"], answer["FunctionArn"]) == ("1", f"{arn}:1")
    assert (answer["State"], answer["StateReason"], answer["StateReasonCode"]) == ("Pending", CREATING, "Creating")
    assert "LastUpdateStatus" not in answer
    made.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=QUICKLY)
    version = shown(made, name, Qualifier="1")
    assert (version["State"], version["LastUpdateStatus"]) == ("Active", "Successful")
    assert version["RevisionId"] == answer["RevisionId"] != shown(made, name)["RevisionId"]

    unpublished = functions.update(name, SAYS.format("two"))
    assert (unpublished["Version"], unpublished["FunctionArn"]) == ("$LATEST", arn)
    assert functions.update(name, SAYS.format("two"), Publish=True)["Version"] == "2"
    made.update_function_configuration(FunctionName=name, Description="later")
    made.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=QUICKLY)
    assert [functions.call(name, Qualifier=each) for each in ("1", "2", "$LATEST")] == ["one", "two", "two"]
    assert shown(made, name, Qualifier="1") == version


def test_publish_to(functions: Functions) -> None:
    name = functions.create(SAYS.format("old"))
    code, message = refused(
        functions.client, name, ZipFile=package(SAYS.format("new")), Publish=True, PublishTo="LATEST_PUBLISHED"
    )
    assert (code, "capacity provider" in message) == ("InvalidParameterValueException", True)
    assert functions.call(name) == "old"


def test_dry_run(functions: Functions) -> None:
    made = functions.client
    name = functions.create(SAYS.format("old"))
    before = shown(made, name)
    data = package(SAYS.format("rehearsed"))
    answer = made.update_function_code(FunctionName=name, ZipFile=data, DryRun=True, Publish=True)
    assert (answer["CodeSha256"], answer["CodeSize"]) == (sha256_of(data), len(data))
    assert {member: answer[member] for member in before} == {
        **before, "CodeSha256": answer["CodeSha256"], "CodeSize": answer["CodeSize"]}  # fmt: skip
    assert refused(made, name, ZipFile=b"no zip", DryRun=True) == ("InvalidParameterValueException", NO_ZIP)
    assert refused(made, name, ZipFile=data, DryRun=True, RevisionId="x")[0] == "PreconditionFailedException"
    assert refused(made, name, DryRun=True)[1] == "Please provide a source for function code."
    assert shown(made, name) == before
    assert [each["Version"] for each in made.list_versions_by_function(FunctionName=name)["Versions"]] == ["$LATEST"]
    assert functions.call(name) == "old"


def test_revision_id(functions: Functions) -> None:
    made = functions.client
    name = functions.create(SAYS.format("old"))
    before = shown(made, name)["RevisionId"]
    stale = "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to "
    # It is refused before anybody sees that this is no zip.
    for data in (b"no zip", package(SAYS.format("new"))):
        code, message = refused(made, name, ZipFile=data, RevisionId="another")
        assert (code, message) == ("PreconditionFailedException", f"{stale}retrieve the latest Revision Id")
    answer = made.update_function_code(FunctionName=name, ZipFile=package(SAYS.format("new")), RevisionId=before)
    made.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=QUICKLY)
    assert len({before, answer["RevisionId"], shown(made, name)["RevisionId"]}) == 3


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, "Please provide a source for function code."),
        ({"ImageUri": "a.b/c:d"}, "Please don't provide ImageUri when updating a function with packageType Zip."),
        (
            {"ZipFile": b"x", "S3Bucket": "bucket"},
            "Please do not provide other FunctionCode parameters when providing a ZipFile.",
        ),
        ({"S3Bucket": "bucket"}, "Please provide both S3Bucket and S3Key."),
        ({"S3Key": "key"}, "Please provide both S3Bucket and S3Key."),
    ],
)
def test_exactly_one_source(functions: Functions, members: dict[str, Any], message: str) -> None:
    name = functions.create(SAYS.format("old"))
    assert refused(functions.client, name, **members) == ("InvalidParameterValueException", message)
    assert shown(functions.client, name)["PackageType"] == "Zip"


def test_answer(functions: Functions) -> None:
    made = functions.client
    name = functions.create(
        SAYS.format("old"),
        Description="d",
        Timeout=7,
        MemorySize=256,
        EphemeralStorage={"Size": 600},
        Environment={"Variables": {"NAME": "value"}},
        LoggingConfig={"LogFormat": "JSON", "LogGroup": "own"},
    )
    before = shown(made, name)
    began = datetime.now(UTC)
    answer = made.update_function_code(FunctionName=name, ZipFile=package(SAYS.format("new")))
    answer.pop("ResponseMetadata")
    assert (answer["State"], answer["LastUpdateStatus"]) == ("Active", "InProgress")
    assert (answer["LastUpdateStatusReason"], answer["LastUpdateStatusReasonCode"]) == (CREATING, "Creating")
    made.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=QUICKLY)
    after = shown(made, name)
    assert (after["LastUpdateStatus"], after.keys()) == ("Successful", before.keys())
    for each in (answer, after):
        kept = {member: value for member, value in each.items() if member not in OF_UPDATES}
        assert kept == {member: value for member, value in before.items() if member not in OF_UPDATES}
        assert not ABSENT & each.keys()
    assert (before["Runtime"], before["Handler"], before["Role"]) == (RUNTIME, "app.handler", ROLE)
    assert before["RuntimeVersionConfig"]["RuntimeVersionArn"].startswith("arn:aws:lambda:us-east-1::runtime:")
    modified = datetime.strptime(answer["LastModified"], "%Y-%m-%dT%H:%M:%S.%f%z")
    assert -1 < (modified - began).total_seconds() < 10


def test_last_update_status_failed(functions: Functions) -> None:
    other = {"x86_64": "arm64", "arm64": "x86_64"}[native_architecture()]
    name = functions.create(
        "import os\nCALLS = []\ndef handler(event, context):\n    CALLS.append(1)\n    return len(CALLS)"
    )
    before = shown(functions.client, name)
    assert functions.call(name) == 1
    answer = functions.client.update_function_code(
        FunctionName=name, ZipFile=package(SAYS.format("new")), Architectures=[other]
    )
    until(lambda: shown(functions.client, name)["LastUpdateStatus"] != "InProgress")
    after = shown(functions.client, name)
    assert (after["State"], after["LastUpdateStatus"]) == ("Active", "Failed")
    assert after["LastUpdateStatusReason"]
    assert after["CodeSha256"] == before["CodeSha256"] != answer["CodeSha256"]
    assert functions.call(name) == 2, "the environments of the old code are the same"
    assert functions.update(name, SAYS.format("newer"))["LastUpdateStatus"] == "InProgress"
    assert functions.call(name) == "newer"


@pytest.mark.parametrize(
    "members",
    [
        {"TracingConfig": {"Mode": "Active"}},
        {"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}},
        {"DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-east-1:000000000000:q"}},
        {"Layers": ["arn:aws:lambda:us-east-1:000000000000:layer:l:1"]},
        {
            "FileSystemConfigs": [
                {
                    "Arn": "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-0123456789abcdef0",
                    "LocalMountPath": "/mnt/x",
                }
            ]
        },
    ],
    ids=lambda members: next(iter(members)),
)
def test_not_built_yet(functions: Functions, members: dict[str, Any]) -> None:
    [member] = members
    expected = f"{member} is not supported by this version of Lamina yet."
    with pytest.raises(functions.client.exceptions.InvalidParameterValueException) as error:
        functions.create(SAYS.format("old"), **members)
    assert error.value.response["Error"]["Message"] == expected
    name = functions.create(SAYS.format("old"))
    with pytest.raises(functions.client.exceptions.InvalidParameterValueException, match=member):
        functions.client.update_function_configuration(FunctionName=name, **members)
    answer = functions.update(name, SAYS.format("new"))
    assert answer["TracingConfig"] == {"Mode": "PassThrough"}
    assert answer["SnapStart"] == {"ApplyOn": "None", "OptimizationStatus": "Off"}
    assert not {"VpcConfig", "DeadLetterConfig", "Layers", "FileSystemConfigs"} & answer.keys()


def test_incompatible_architecture(start: Callable[..., Service], tmp_path: Path) -> None:
    here = native_architecture()
    machine, other = {"x86_64": (0xB7, "arm64"), "arm64": (0x3E, "x86_64")}[here]
    elf = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00" + machine.to_bytes(2, "little") + bytes(44)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", SAYS.format("pure"))
        archive.writestr("lib/fast.so", elf)
    with (tmp_path / "log").open("wb") as log:
        functions = Functions(client(start(log=log).address))
        name = functions.create(SAYS.format("old"))
        functions.client.update_function_code(FunctionName=name, ZipFile=buffer.getvalue())
        functions.client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=QUICKLY)
        assert functions.call(name) == "pure"
    warning = f"native code for {other}, and the function runs on {here}: lib/fast.so"
    assert warning in (tmp_path / "log").read_text()


@pytest.mark.parametrize("data", [b"no zip", b"PK\x03\x04", package("x", "../escape.py"), package("x", "/root.py")])
def test_invalid_parameter_value(functions: Functions, data: bytes) -> None:
    name = functions.create(SAYS.format("old"))
    assert refused(functions.client, name, ZipFile=data) == ("InvalidParameterValueException", NO_ZIP)
    assert functions.call(name) == "old"


def test_resource_not_found(functions: Functions) -> None:
    with pytest.raises(functions.client.exceptions.ResourceNotFoundException) as error:
        functions.client.update_function_code(FunctionName="nobody", ZipFile=package(SAYS.format("x")))
    arn = "arn:aws:lambda:us-east-1:000000000000:function:nobody"
    assert error.value.response["Error"]["Message"] == f"Function not found: {arn}"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_resource_conflict(slow: Service) -> None:
    functions = Functions(client(slow.address))
    made, data = functions.client, package(SAYS.format("x"))
    created = made.create_function(
        FunctionName="young", Runtime=RUNTIME, Handler="app.handler", Role=ROLE, Code={"ZipFile": data}
    )
    busy = "The operation cannot be performed at this time."
    state = "The function is currently in the following state: Pending"
    assert refused(made, "young", ZipFile=data) == ("ResourceConflictException", f"{busy} {state}")
    name = functions.create(SAYS.format("old"))
    sources = [SAYS.format(f"from {number}") for number in range(4)]
    outcomes: list[str] = [""] * len(sources)
    together = threading.Barrier(len(sources))

    def update(number: int) -> None:
        together.wait()
        try:
            made.update_function_code(FunctionName=name, ZipFile=package(sources[number]))
        except ClientError as error:
            outcomes[number] = f"{error.response['Error']['Code']}: {error.response['Error']['Message']}"

    threads = [threading.Thread(target=update, args=(number,)) for number in range(len(sources))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    arn = created["FunctionArn"].replace("young", name)
    lost = f"ResourceConflictException: {busy} An update is in progress for resource: {arn}"
    assert sorted(outcomes) == ["", lost, lost, lost]
    assert functions.call(name) == "old", "the old code serves until the update has ended"
    made.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=QUICKLY)
    assert functions.call(name) == f"from {outcomes.index('')}"


def test_code_storage_exceeded(slow: Service) -> None:
    functions = Functions(client(slow.address, region="eu-west-1"))
    name = functions.create(SAYS.format("small"))
    noise = "".join(f"# {hashlib.sha512(bytes([number])).hexdigest()}\n" for number in range(75))
    large = package(SAYS.format("large") + noise)
    assert 5000 < len(large) < 10_000
    for members in ({}, {"DryRun": True}):
        code, message = refused(functions.client, name, ZipFile=large, **members)
        assert (code, message) == ("CodeStorageExceededException", "Code storage limit exceeded.")
    # What the update itself takes fits; with its version it is twice as much.
    half = package(SAYS.format("half") + noise[: len(noise) // 2])
    assert 2500 < len(half) < 5000
    assert refused(functions.client, name, ZipFile=half, Publish=True)[0] == "CodeStorageExceededException"
    assert functions.call(name) == "small"
    functions.client.update_function_code(FunctionName=name, ZipFile=half)


def test_snap_start(functions: Functions) -> None:
    if "python3.12" not in Runtimes.discover().names:
        pytest.skip("there is no Python 3.12")
    name = functions.create(SAYS.format("old"), Runtime="python3.12", SnapStart={"ApplyOn": "PublishedVersions"})
    answer = functions.update(name, SAYS.format("new"), Publish=True)
    assert answer["State"] == "Pending"
    assert answer["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"}
    published = {"FunctionName": name, "Qualifier": answer["Version"]}
    functions.client.get_waiter("published_version_active").wait(**published, WaiterConfig=QUICKLY)
    shown = functions.client.get_function_configuration(**published)["SnapStart"]
    assert shown == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"}
    assert functions.call(name, Qualifier=answer["Version"]) == "new"
