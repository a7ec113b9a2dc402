"""The decision at every deployment: may this package be deployed (Lambda Developer Guide, "Configuring code signing").

Integrity comes first and has no policy: a signature that does not hold always blocks. Then expiry, mismatch, which
includes the lack of a signature, and revocation; under Warn these are only told.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum

from lamina.errors import CodeVerificationFailedException, InvalidCodeSignatureException, ServiceException
from lamina.signing._authority import Authority, AuthorityError
from lamina.signing._claims import BadSignature, Signature
from lamina.signing._inspect import Inspected, inspect
from lamina.signing._revocation import is_revoked
from lamina.signing._trust import Trust
from lamina.signing._zip import may_be_signed
from lamina.state import State, StateError

_LOG = logging.getLogger(__name__)


class Fault(StrEnum):
    """What is wrong with a package, in the words of AWS's audit log."""

    INVALID = "INVALID"
    EXPIRED = "EXPIRED"
    MISMATCH = "MISMATCH"
    REVOKED = "REVOKED"


def _now() -> datetime:
    return datetime.now(UTC)


class Verification:
    """Checks packages before they are staged.

    ``validation_errors`` counts by function and fault, as the metric SignatureValidationErrors does, since the start
    of the server.
    """

    def __init__(self, state: State, authority: Authority, now: Callable[[], datetime] = _now) -> None:
        self._state = state
        self._authority = authority
        self._now = now
        self.validation_errors: Counter[tuple[str, Fault]] = Counter()

    async def check(self, data: bytes | memoryview, trust: Trust | None, subject: str) -> Signature | None:
        """The signature of a zip that may be deployed: None when it has none, or one that is expired or revoked.

        ``trust`` is the configuration of the function ``subject``, None without one; then nothing is refused. Raises
        InvalidCodeSignatureException and CodeVerificationFailedException.
        """
        with memoryview(data) as view:
            inspected = await self._inspected(view, trust, subject) if may_be_signed(view) else None
        if inspected is None:
            if trust is not None:
                self._fault(Fault.MISMATCH, trust, subject, "it is not signed")
            return None
        signature = inspected.signature
        is_expired, is_gone = signature.expires_at <= self._now(), await self._is_revoked(inspected)
        if trust is not None:
            if is_expired:
                self._fault(Fault.EXPIRED, trust, subject, f"its signature expired at {signature.expires_at}")
            elif signature.profile_version_arn not in trust.allowed:
                self._fault(Fault.MISMATCH, trust, subject, f"it is signed with {signature.profile_version_arn}")
            elif is_gone:
                self._fault(Fault.REVOKED, trust, subject, f"{signature.job_arn} or its profile is revoked")
        return None if is_expired or is_gone else signature

    async def _inspected(self, data: memoryview, trust: Trust | None, subject: str) -> Inspected | None:
        try:
            return await asyncio.to_thread(inspect, data, self._authority, self._now())
        except BadSignature as refusal:
            _LOG.warning("the signature of the package for %s does not hold: %s", subject, refusal)
            if trust is None:
                return None
            self.validation_errors[subject, Fault.INVALID] += 1
            raise InvalidCodeSignatureException(
                "Lambda cannot deploy the function. The code signature failed the integrity check. "
                f"Check the provided signature for {subject}."
            ) from refusal
        except AuthorityError as error:
            _LOG.error("the package for %s cannot be checked: %s", subject, error)
            if trust is None:
                return None
            raise ServiceException from error

    async def _is_revoked(self, inspected: Inspected) -> bool:
        signature, is_own = inspected
        try:
            return await self._state.read(lambda reader: is_revoked(reader, signature, is_own=is_own))
        except StateError as error:
            _LOG.error("whether %s is revoked cannot be read, so it counts as revoked: %s", signature.job_arn, error)
            return True

    def _fault(self, fault: Fault, trust: Trust, subject: str, reason: str) -> None:
        self.validation_errors[subject, fault] += 1
        _LOG.warning(
            "code signing %s: the package for %s is not trusted (%s): %s", fault, subject, trust.policy, reason
        )
        if trust.policy == "Enforce":
            raise CodeVerificationFailedException(
                "Lambda cannot deploy the function. The function or layer might be signed using a signature that the "
                f"client is not configured to accept. Check the provided signature for {subject}."
            )
