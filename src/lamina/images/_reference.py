"""The names of images as the API has them: ``registry/repository:tag`` or ``registry/repository@sha256:…``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lamina.images._refusals import not_valid

_REGISTRY = r"(?P<registry>(?=[^/]*[.:]|localhost/)[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?)"
_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_URI = re.compile(
    rf"{_REGISTRY}/(?P<repository>{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})|@(?P<digest>sha256:[0-9a-f]{64}))"
)
_ECR = re.compile(r"[0-9]{12}\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws)")
_LONGEST_REPOSITORY = 256  # ECR's quota; the distribution protocol says 255 together with the host
_LONGEST_URI = 1024
_NEVER_PRIVATE = "public.ecr.aws"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReference:
    """An image URI in its parts; exactly one of ``tag`` and ``digest`` (``sha256:…``) is there."""

    uri: str
    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @property
    def name(self) -> str:
        """Registry and repository, as the user wrote them."""
        return f"{self.registry}/{self.repository}"

    @property
    def ecr_region(self) -> str | None:
        """The Region in a name of Amazon ECR's form, or None for any other registry."""
        found = _ECR.fullmatch(self.registry)
        return found["region"] if found else None

    def at(self, digest: str) -> str:
        """The URI of the same repository's image with ``digest``: what the API calls ResolvedImageUri."""
        return f"{self.name}@{digest}"


def parse_image_uri(uri: str) -> ImageReference:
    """Take an ImageUri apart.

    Raises ``InvalidParameterValueException`` for a URI without a registry, without tag and digest, with both, with
    a malformed part, or of the public registry, which Lambda never takes images from (API notes 5.10).
    """
    found = _URI.fullmatch(uri) if len(uri) <= _LONGEST_URI else None
    if found is None or found["registry"] == _NEVER_PRIVATE or len(found["repository"]) > _LONGEST_REPOSITORY:
        raise not_valid(uri)
    return ImageReference(uri=uri, **found.groupdict())
