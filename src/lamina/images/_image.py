"""Images as others see them: resolved to a digest, and ready to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lamina.images._manifest import ImageConfig, Manifest
from lamina.images._reference import ImageReference


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedImage:
    """What a reference meant when the registry was asked. Nothing of it is kept until it is fetched."""

    reference: ImageReference
    manifest: Manifest
    config: ImageConfig

    @property
    def digest(self) -> str:
        """The manifest's digest, ``sha256:…``."""
        return self.manifest.digest

    @property
    def repository(self) -> str:
        """Registry and repository, as the user wrote them."""
        return self.reference.name

    @property
    def resolved_uri(self) -> str:
        """The API's ResolvedImageUri; ``Images.image`` takes it as the source."""
        return self.reference.at(self.digest)

    @property
    def architecture(self) -> str:
        """``x86_64`` or ``arm64``, as in the API."""
        return self.config.architecture


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image whose layers are unpacked.

    ``layers`` are folders from bottom to top, for overlayfs with ``userxattr`` or for ``merge``; nobody may write to
    them. None is there twice. ``entrypoint`` and ``command`` may be empty, ``working_directory`` and ``user`` too.
    ``architecture`` is ``x86_64`` or ``arm64``; ``size`` is the bytes of the compressed layers.
    """

    digest: str
    layers: tuple[Path, ...]
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    environment: Mapping[str, str]
    working_directory: str
    user: str
    architecture: str
    size: int
