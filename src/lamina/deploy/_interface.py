"""What the pipeline works on, and what it asks of the rooms beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from lamina.kms import PACKAGE, KeyUser
from lamina.objects import ObjectLocation
from lamina.signing import Trust
from lamina.state import Reader, Transaction

if TYPE_CHECKING:
    from lamina.deploy._step import Steps
    from lamina.functions import FunctionKey, LiveVersion

Bytes = bytes | memoryview


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """The KMS key that a package is encrypted under, and on whose behalf it is used."""

    key_arn: str
    user: KeyUser


def sealing_of(key_arn: str, key: FunctionKey, role: str) -> Sealing | None:
    """The sealing of a function's package with a SourceKMSKeyArn; None where that is empty."""
    if not key_arn:
        return None
    user = KeyUser(account_id=key.account_id, region=key.region, principal=role, subject=PACKAGE)
    return Sealing(key_arn=key_arn, user=user)


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """Code that has been read, checked and stored: all that a configuration remembers of it.

    A zip has ``package``, its name in the store, and ``code_size`` in bytes. An image has ``image``, its digest
    ``sha256:…``, ``image_uri`` as it was given, and ``resolved_image_uri`` with the digest. ``reference`` is set when
    the zip is not kept: it is read from there again (S3ObjectStorageMode). ``native`` names the files with machine
    code of other architectures than the function's. ``trust`` is what the signature was verified against. ``origin``
    says in one line where the code came from.
    """

    origin: str
    architecture: str
    code_sha256: str
    code_size: int = 0
    package: str = ""
    kms_key: str = ""
    reference: ObjectLocation | None = None
    image: str = ""
    image_uri: str = ""
    resolved_image_uri: str = ""
    signing_profile_version_arn: str = ""
    signing_job_arn: str = ""
    native: Mapping[str, tuple[str, ...]] | None = None
    trust: Trust | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a change wants done before it is accepted: the code from ``source``, fit for this function.

    ``trust`` is the code signing configuration of the function, None without one. ``kms_key`` is the SourceKMSKeyArn,
    or empty, and ``role`` the function's, which must be allowed to use it. ``architecture`` is the one that the code
    will run on, in the API's words.
    """

    key: FunctionKey
    source: Source
    architecture: str
    trust: Trust | None = None
    kms_key: str = ""
    role: str = ""

    @property
    def sealing(self) -> Sealing | None:
        """How the package is encrypted."""
        return sealing_of(self.kms_key, self.key, self.role)


class Package(Protocol):
    """A deployment package in the store. Sizes are in bytes."""

    @property
    def name(self) -> str:
        """Its name in the store."""

    @property
    def code_sha256(self) -> str:
        """The base64 SHA-256 of the zip, as the API shows it."""

    @property
    def code_size(self) -> int:
        """The size of the zip."""

    @property
    def native(self) -> Mapping[str, tuple[str, ...]] | None:
        """Files with machine code by their architecture, at most a few of each; None when it is not known."""


class Packages(Protocol):
    """The store of deployment packages."""

    def stage(self, data: Bytes, *, largest: int, sealing: Sealing | None = None, keep_zip: bool = True) -> Package:
        """Check a zip, unpack it and make it durable; blocking. Raises a ServiceError for a zip that is refused.

        With ``sealing`` what lies on the disk is encrypted under that key. Without ``keep_zip`` the zip itself is not
        kept, because it can be read again.
        """

    def opened(self, name: str, sealing: Sealing | None) -> AbstractContextManager[BinaryIO]:
        """The zip as it came, for the time of a block; blocking. Raises ``BlobMissing`` and ServiceErrors of a key."""


class StoredObject(Protocol):
    """What a download has found."""

    @property
    def version(self) -> str | None:
        """The version of the object; None in a bucket without versions."""


class Objects(Protocol):
    """S3, or what speaks like it."""

    async def download(self, location: ObjectLocation, into: Path, most: int) -> StoredObject:
        """Write an object of at most ``most`` bytes to a file. Raises ServiceErrors in the recorded words."""


class ResolvedImage(Protocol):
    """An image that a registry has, named by its digest."""

    @property
    def digest(self) -> str:
        """``sha256:…`` of the manifest."""

    @property
    def resolved_uri(self) -> str:
        """The repository as it was given, with the digest."""

    @property
    def architecture(self) -> str:
        """What the image was built for, in the API's words."""


class Images(Protocol):
    """Container images."""

    async def resolve(self, uri: str, region: str) -> ResolvedImage:
        """Ask the registry what an ImageUri means now, and look at it. Raises ServiceErrors in the recorded words."""


class Signature(Protocol):
    """A signature that was found good."""

    @property
    def profile_version_arn(self) -> str:
        """The version of the signing profile."""

    @property
    def job_arn(self) -> str:
        """The signing job."""


class Verification(Protocol):
    """Code signing."""

    async def check(self, data: Bytes, trust: Trust | None, subject: str) -> Signature | None:
        """The signature of a zip; None when there is none. Raises what the policy of ``trust`` demands.

        ``subject`` is the function's name, for messages.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """Where the pipeline finds what it asks for. ``scratch`` is a folder for downloads, on the disk of the data."""

    packages: Packages
    objects: Objects
    images: Images
    verification: Verification
    scratch: Path


class Source(Protocol):
    """Where the code of a deployment comes from: one small class for each place."""

    @property
    def origin(self) -> str:
        """The place, in one line."""

    async def obtain(self, order: Order, rooms: Rooms, step: Steps) -> Code:
        """Read, check, verify and store the code. Raises a ServiceError that names what went wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """A deployment that was accepted and waits for its swap.

    ``new`` serves after the swap; ``old`` serves until then, and is None when nothing does.
    """

    key: FunctionKey
    new: LiveVersion
    old: LiveVersion | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """An accepted change: what the caller is told, and what is left to do."""

    answer: dict[str, Any]
    unfinished: Unfinished


class Change(Protocol):
    """One creation or update in the words of the rules. Each method is work for a transaction of ``State``.

    ``check`` runs before the code is looked at; ``accept`` checks once more, since another change may have won in
    between. Both raise ServiceErrors.
    """

    @property
    def key(self) -> FunctionKey:
        """The function that is made or changed."""

    def check(self, reader: Reader) -> Order | None:
        """Refuse what can be refused without the code; what is to be done for it, None when it does not change."""

    def accept(self, transaction: Transaction, code: Code | None) -> Accepted:
        """Write what is shown from now on, as a deployment in progress."""


class Rehearsal(Protocol):
    """A change that goes all the way but for the commit: the DryRun of UpdateFunctionCode."""

    @property
    def key(self) -> FunctionKey:
        """See ``Change.key``."""

    def check(self, reader: Reader) -> Order:
        """See ``Change.check``."""

    def rehearse(self, reader: Reader, code: Code) -> dict[str, Any]:
        """All that ``Change.accept`` checks, and the answer."""


class Ledger(Protocol):
    """How a deployment ends in the records. Each method is work for a transaction of ``State``.

    ``steps`` are the durations of what was done, in milliseconds.
    """

    def unfinished(self, reader: Reader) -> Sequence[Unfinished]:
        """Every deployment that was accepted and has not ended."""

    def finish(self, transaction: Transaction, deployment: Unfinished, steps: Mapping[str, float]) -> bool:
        """What is shown serves from now on. False, and nothing done, when the function is gone."""

    def fail(
        self, transaction: Transaction, deployment: Unfinished, steps: Mapping[str, float], code: str, reason: str
    ) -> bool:
        """What serves is shown again, with the reason. False, and nothing done, when the function is gone."""
