from __future__ import annotations

from pathlib import Path

import pytest

from lamina.errors import InvalidParameterValueException
from lamina.objects import EmbeddedObjects, NoUpstream, ObjectLocation, RemoteObjects, _seaweed, open_objects
from tests.unit.objects._hostile import HostileStore, whole

LOCATION = ObjectLocation(bucket="code", key="k", version=None, region="us-east-1", account_id="000000000000")


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without SeaweedFS and without AWS settings."""
    monkeypatch.setattr(_seaweed, "program", lambda: None)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))


async def test_an_endpoint_goes_before_everything(tmp_path, monkeypatch):
    monkeypatch.setattr(_seaweed, "program", lambda: Path("/usr/bin/weed"))
    with HostileStore(whole(b"x")) as store:
        chosen = open_objects(tmp_path, endpoint=store.endpoint, access_key_id="a", secret_access_key="b", region="r-1")

        assert await chosen.read(LOCATION, 1) == b"x"
        assert (await chosen.upstream()).endpoint == store.endpoint
    assert store.asked[0].line.startswith("GET /code/k ")
    assert "/r-1/s3/" in store.asked[0].fields["authorization"]


def test_the_embedded_store_comes_next(tmp_path, monkeypatch):
    monkeypatch.setattr(_seaweed, "program", lambda: Path("/usr/bin/weed"))

    assert isinstance(open_objects(tmp_path), EmbeddedObjects)
    assert isinstance(open_objects(tmp_path, endpoint="aws"), RemoteObjects)
    assert list(tmp_path.iterdir()) == []


async def test_then_aws_if_there_are_credentials(tmp_path, monkeypatch):
    chosen = open_objects(tmp_path)
    with HostileStore(whole(b"x")) as store:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", store.endpoint)
        with pytest.raises(InvalidParameterValueException):
            await chosen.read(LOCATION, 1)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
        late = open_objects(tmp_path)

        assert await late.read(LOCATION, 1) == b"x"
    await late.close()


async def test_else_it_says_what_to_do(tmp_path):
    chosen = open_objects(tmp_path)

    for call in (chosen.read(LOCATION, 1), chosen.write("b", "k", b""), chosen.is_versioned("b")):
        with pytest.raises(InvalidParameterValueException, match=r"pip install 'lamina\[s3\]'.*--s3-endpoint.*AWS"):
            await call
    with pytest.raises(InvalidParameterValueException, match="no object store"):
        await chosen.download(LOCATION, tmp_path / "zip", 1)
    with pytest.raises(NoUpstream, match=r"pip install 'lamina\[s3\]'"):
        await chosen.upstream()


async def test_a_profile_that_is_not_there_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")

    with pytest.raises(InvalidParameterValueException, match="nobody"):
        await open_objects(tmp_path).read(LOCATION, 1)
