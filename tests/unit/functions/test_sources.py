"""Code from S3 and from a registry, in the records and the answers."""

from __future__ import annotations

from typing import Any

import pytest

from lamina.errors import InvalidParameterValueException
from tests.unit.functions.world import ROLE, FakeSignature, World, creation, sha

S3 = {"S3Bucket": "code", "S3Key": "app.zip"}
REPOSITORY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app"


async def code_of(world: World, **params: Any) -> dict[str, Any]:
    answer: dict[str, Any] = (await world.begin("GetFunction", FunctionName="f", **params))["Code"]
    return answer


class TestS3:
    async def test_an_object_is_copied_when_it_is_named(self, function: World) -> None:
        function.objects.objects["code", "app.zip", None] = b"from s3"
        updated = await function.do("UpdateFunctionCode", FunctionName="f", **S3)
        function.objects.objects["code", "app.zip", None] = b"changed"
        assert (updated["CodeSha256"], updated["CodeSize"]) == (sha(b"from s3"), 7)
        assert (await function.get())["CodeSha256"] == sha(b"from s3")

    async def test_a_version_of_an_object(self, function: World) -> None:
        function.objects.objects = {("code", "app.zip", "v1"): b"one of two", ("code", "app.zip", "v2"): b"two"}
        await function.do("UpdateFunctionCode", FunctionName="f", **S3, S3ObjectVersion="v1")
        assert (await function.get())["CodeSha256"] == sha(b"one of two")

    async def test_a_function_is_created_from_an_object(self, world: World) -> None:
        world.objects.objects["code", "app.zip", None] = b"from s3"
        assert (await world.do("CreateFunction", **creation(Code=S3)))["CodeSha256"] == sha(b"from s3")

    async def test_one_that_is_not_there_changes_nothing(self, function: World) -> None:
        before = await function.get()
        with pytest.raises(
            InvalidParameterValueException, match=r"^Error occurred while GetObject\. S3 Error Code: No"
        ):
            await function.do("UpdateFunctionCode", FunctionName="f", **S3)
        assert await function.get() == before

    async def test_by_reference(self, function: World) -> None:
        function.objects.objects["code", "app.zip", "v7"] = b"kept in s3"
        await function.do("UpdateFunctionCode", FunctionName="f", **S3, S3ObjectStorageMode="REFERENCE")
        resolved = {"S3Bucket": "code", "S3Key": "app.zip", "S3ObjectVersion": "v7"}
        assert await code_of(function) == {"RepositoryType": "S3", "ResolvedS3Object": resolved}
        assert function.packages.kept[-1] is False
        assert (await function.route()).targets[0][1].reference == ("code", "app.zip", "v7")

    @pytest.mark.parametrize("version", [None, "null"])
    async def test_by_reference_from_a_bucket_without_versions(self, function: World, version: str | None) -> None:
        function.objects.objects["code", "app.zip", version] = b"zip"
        with pytest.raises(InvalidParameterValueException, match=r"^The bucket code has no versioning"):
            await function.do("UpdateFunctionCode", FunctionName="f", **S3, S3ObjectStorageMode="REFERENCE")


class TestImage:
    @pytest.fixture
    async def image(self, world: World) -> World:
        world.images.push(REPOSITORY, "v1", "first")
        await self.create(world)
        return world

    async def create(self, world: World, **params: Any) -> dict[str, Any]:
        code = {"ImageUri": f"{REPOSITORY}:v1"}
        return await world.do("CreateFunction", FunctionName="f", Role=ROLE, PackageType="Image", Code=code, **params)

    async def test_its_configuration(self, image: World) -> None:
        shown = await image.get()
        digest = image.images.tags[f"{REPOSITORY}:v1"].digest
        assert (shown["PackageType"], shown["CodeSha256"], shown["CodeSize"]) == ("Image", digest[7:], 0)
        assert not {"Runtime", "Handler", "RuntimeVersionConfig", "ImageConfigResponse"} & set(shown)

    async def test_its_code(self, image: World) -> None:
        digest = image.images.tags[f"{REPOSITORY}:v1"].digest
        assert await code_of(image) == {
            "RepositoryType": "ECR",
            "ImageUri": f"{REPOSITORY}:v1",
            "ResolvedImageUri": f"{REPOSITORY}@{digest}",
        }

    async def test_a_tag_that_moves_changes_nothing_until_the_next_update(self, image: World) -> None:
        before = await image.get()
        digest = image.images.push(REPOSITORY, "v1", "second")
        assert await image.get() == before
        updated = await image.do("UpdateFunctionCode", FunctionName="f", ImageUri=f"{REPOSITORY}:v1")
        assert updated["CodeSha256"] == digest.removeprefix("sha256:")

    async def test_what_execution_is_told(self, image: World) -> None:
        await image.configure(ImageConfig={"Command": ["app.handler"], "EntryPoint": [], "WorkingDirectory": "/srv"})
        live = (await image.route()).targets[0][1]
        digest = image.images.tags[f"{REPOSITORY}:v1"].digest
        assert (live.package_type, live.image, live.image_source) == ("Image", digest, f"{REPOSITORY}@{digest}")
        assert (live.entry_point, live.command, live.working_directory) == (None, ("app.handler",), "/srv")

    async def test_an_image_config_is_replaced_whole_and_survives_new_code(self, image: World) -> None:
        await image.configure(ImageConfig={"Command": ["a"], "EntryPoint": ["b"]})
        await image.configure(ImageConfig={"Command": ["c"], "WorkingDirectory": "/d"})
        await image.do("UpdateFunctionCode", FunctionName="f", ImageUri=f"{REPOSITORY}:v1")
        expected = {"ImageConfig": {"Command": ["c"], "WorkingDirectory": "/d"}}
        assert (await image.get())["ImageConfigResponse"] == expected
        await image.configure(ImageConfig={})
        assert "ImageConfigResponse" not in await image.get()

    async def test_a_zip_is_refused(self, image: World) -> None:
        before = await image.get()
        message = r"^Please provide ImageUri when updating a function with packageType Image\.$"
        with pytest.raises(InvalidParameterValueException, match=message):
            await image.update()
        assert await image.get() == before

    async def test_one_for_another_architecture(self, image: World) -> None:
        image.images.push(REPOSITORY, "arm", "third", "arm64")
        with pytest.raises(
            InvalidParameterValueException, match=r"is for arm64, and the function's architecture is x86"
        ):
            await image.do("UpdateFunctionCode", FunctionName="f", ImageUri=f"{REPOSITORY}:arm")
        params = {"ImageUri": f"{REPOSITORY}:arm", "Architectures": ["arm64"]}
        assert (await image.do("UpdateFunctionCode", FunctionName="f", **params))["Architectures"] == ["arm64"]

    @pytest.mark.parametrize("params", [{"Runtime": "python3.12"}, {"Handler": "h"}, {"Layers": ["arn"]}])
    async def test_what_images_do_not_have(self, world: World, params: dict[str, Any]) -> None:
        with pytest.raises(InvalidParameterValueException, match=r"^Please don't provide Handler or Runtime or Layer"):
            await self.create(world, **params)

    async def test_its_digest_is_in_use(self, image: World) -> None:
        assert image.images.tags[f"{REPOSITORY}:v1"].digest in await image.functions.in_use()


async def test_image_config_of_a_zip_function(function: World) -> None:
    with pytest.raises(InvalidParameterValueException, match=r"^Please don't provide ImageConfig"):
        await function.configure(ImageConfig={"Command": ["c"]})


async def test_another_architecture_needs_the_code_again(function: World) -> None:
    updated = await function.update(Architectures=["arm64"])
    assert updated["Architectures"] == ["arm64"]
    assert (await function.update(code=b"three"))["Architectures"] == ["arm64"]


async def test_native_code_of_another_architecture_is_named(function: World, caplog: pytest.LogCaptureFixture) -> None:
    await function.update(code=b"arm code")
    assert "native code for arm64, and the function runs on x86_64: lib/native.so" in caplog.text
    caplog.clear()
    await function.update(code=b"arm code", Architectures=["arm64"])
    assert "native code" not in caplog.text


async def test_an_encrypted_package(function: World) -> None:
    arn = "arn:aws:kms:eu-west-1:123456789012:key/k"
    await function.update(SourceKMSKeyArn=arn)
    assert (await code_of(function))["SourceKMSKeyArn"] == arn
    assert function.packages.keys[-1] == arn
    await function.update()
    assert "SourceKMSKeyArn" not in await code_of(function)


async def test_a_signature_is_shown(function: World) -> None:
    function.verification.signature = FakeSignature("profile", "job")
    updated = await function.update()
    assert (updated["SigningProfileVersionArn"], updated["SigningJobArn"]) == ("profile", "job")
    function.verification.signature = None
    assert "SigningJobArn" not in await function.update()
