"""What the pipeline works on, and what it asks of the rooms beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from lamina.state import Reader, Transaction

if TYPE_CHECKING:
    from lamina.functions import FunctionKey, LiveVersion


class Package(Protocol):
    """A deployment package in the store. Sizes are in bytes."""

    @property
    def digest(self) -> str:
        """The hex SHA-256 of the zip: its name in the store."""

    @property
    def code_sha256(self) -> str:
        """The same in base64, as the API shows it."""

    @property
    def code_size(self) -> int:
        """The size of the zip."""

    @property
    def unpacked_size(self) -> int:
        """The size of all that is in it."""


class Packages(Protocol):
    """The store of deployment packages."""

    def stage(self, data: bytes) -> Package:
        """Check a zip, unpack it and make it durable; blocking. Raises a ServiceError for a zip that is refused."""


class Source(Protocol):
    """Where the code of a deployment comes from."""

    @property
    def largest(self) -> int:
        """The greatest number of bytes that a zip from here may have."""

    async def read(self) -> bytes:
        """The bytes of the zip. Raises a ServiceError that names what went wrong."""


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

    def check(self, reader: Reader) -> Source | None:
        """Refuse what can be refused without the code; where the code comes from, None when it does not change."""

    def accept(self, transaction: Transaction, package: Package | None) -> Accepted:
        """Write what is shown from now on, as a deployment in progress."""


class Rehearsal(Protocol):
    """A change that goes all the way but for the commit: the DryRun of UpdateFunctionCode."""

    @property
    def key(self) -> FunctionKey:
        """See ``Change.key``."""

    def check(self, reader: Reader) -> Source:
        """See ``Change.check``."""

    def rehearse(self, reader: Reader, package: Package) -> dict[str, Any]:
        """All that ``Change.accept`` checks, and the answer."""


class Ledger(Protocol):
    """How a deployment ends in the records. Each method is work for a transaction of ``State``."""

    def unfinished(self, reader: Reader) -> Sequence[Unfinished]:
        """Every deployment that was accepted and has not ended."""

    def finish(self, transaction: Transaction, deployment: Unfinished) -> bool:
        """What is shown serves from now on. False, and nothing done, when the function is gone."""

    def fail(self, transaction: Transaction, deployment: Unfinished, code: str, reason: str) -> bool:
        """What serves is shown again, with the reason. False, and nothing done, when the function is gone."""
