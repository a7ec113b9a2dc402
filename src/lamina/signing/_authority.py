"""The signing authority of a data folder: its root, its intermediate, and a leaf for each version of a profile."""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lamina.disk import flush_folder
from lamina.signing._claims import Signature
from lamina.signing._content import Digests
from lamina.signing._envelope import write_envelope

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from lamina.signing._certificates import Pair

_LOG = logging.getLogger(__name__)
_ROOT, _INTERMEDIATE = "root.pem", "intermediate.pem"


class AuthorityError(Exception):
    """The authority, or the file of further roots, cannot be used; the message is one line for the operator."""


class Authority:
    """Signs, and knows whom to trust. Made at the first signature; all methods block.

    Below ``folder``: ``authority`` with two keys and certificates, made as a whole or not at all, and ``leaves``. Each
    file holds a private key and has the mode 0600. ``further`` is a PEM file of the operator with more trusted roots,
    such as those of another server or of AWS; it is read whenever it is needed.
    """

    def __init__(self, folder: Path, further: Path | None = None) -> None:
        self._folder = folder
        self._further = further
        self._turn = threading.Lock()

    def check(self) -> None:
        """Read everything that there is, so that a mistake shows early. Raises ``AuthorityError``."""
        with _clear_errors(self._folder):
            is_needed = self._further is not None or self._authority.exists()
        if is_needed:
            self.roots()

    def root_pem(self) -> bytes:
        """The root's certificate, for those who should trust what is signed here. Raises ``AuthorityError``."""
        return self._pairs()[0].certificate_pem

    def roots(self) -> tuple[Certificate | None, Sequence[Certificate]]:
        """The own root, if there is one already, and all trusted roots. Raises ``AuthorityError``."""
        from lamina.signing import _certificates

        with _clear_errors(self._folder):
            own = self._load(self._authority / _ROOT).certificate if self._authority.exists() else None
        trusted = [] if own is None else [own]
        if self._further is not None:
            try:
                trusted += _certificates.load_roots(self._further.read_bytes())
            except (OSError, ValueError) as error:
                raise AuthorityError(f"cannot use the trusted roots in {self._further}: {error}") from None
        return own, trusted

    def sign(self, claims: Signature, digests: Digests) -> bytes:
        """The signature of a package, for its entry in the zip. Raises ``AuthorityError``."""
        from lamina.signing import _certificates

        intermediate = self._pairs()[1]
        leaf = self._leaf(claims.profile_version_arn, intermediate)
        signer = _certificates.LeafSigner(leaf, intermediate.certificate)
        return write_envelope(claims, digests, signer)

    @property
    def _authority(self) -> Path:
        return self._folder / "authority"

    def _pairs(self) -> tuple[Pair, Pair]:
        with self._turn, _clear_errors(self._folder):
            if not self._authority.exists():
                self._make()
            return self._load(self._authority / _ROOT), self._load(self._authority / _INTERMEDIATE)

    def _make(self) -> None:
        from lamina.signing import _certificates

        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in self._folder.glob(".new-*"):
            shutil.rmtree(left)
        new = self._folder / f".new-{secrets.token_hex(8)}"
        new.mkdir(mode=0o700)
        root = _certificates.make_root()
        _write(new / _ROOT, root)
        _write(new / _INTERMEDIATE, _certificates.make_intermediate(root))
        flush_folder(new)
        new.rename(self._authority)
        flush_folder(self._folder)
        _LOG.info("made the signing authority %s", root.certificate.subject.rfc4514_string())

    def _leaf(self, profile_version_arn: str, intermediate: Pair) -> Pair:
        from lamina.signing import _certificates

        path = self._folder / "leaves" / f"{hashlib.sha256(profile_version_arn.encode()).hexdigest()[:32]}.pem"
        with self._turn, _clear_errors(self._folder):
            if path.exists():
                leaf = self._load(path)
                if _certificates.is_fresh(leaf, intermediate, datetime.now(UTC)):
                    return leaf
            leaf = _certificates.make_leaf(intermediate, profile_version_arn.rpartition("/")[2])
            path.parent.mkdir(mode=0o700, exist_ok=True)
            new = path.with_suffix(".new")
            new.unlink(missing_ok=True)
            _write(new, leaf)
            new.rename(path)
            flush_folder(path.parent)
            return leaf

    def _load(self, path: Path) -> Pair:
        from lamina.signing import _certificates

        try:
            return _certificates.Pair.load(path.read_bytes())
        except (OSError, ValueError) as error:
            raise AuthorityError(f"cannot use the signing key in {path}: {error}") from None


@contextmanager
def _clear_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise AuthorityError(f"cannot use the signing folder {folder}: {error.strerror}") from error


def _write(path: Path, pair: Pair) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pair.key_pem + pair.certificate_pem)
        file.flush()
        os.fsync(file.fileno())
