"""Code from a registry: what a tag means is settled when the function is updated, and never asked again."""

from __future__ import annotations

from dataclasses import dataclass

from lamina.deploy._interface import Code, Order, Rooms
from lamina.deploy._step import Steps
from lamina.errors import InvalidParameterValueException


@dataclass(frozen=True, slots=True)
class ContainerImage:
    """A container image. Its layers are fetched after the acceptance, while the old code serves."""

    uri: str

    @property
    def origin(self) -> str:
        """See ``Source.origin``."""
        return self.uri

    async def obtain(self, order: Order, rooms: Rooms, step: Steps) -> Code:
        """See ``Source.obtain``."""
        with step("resolve"):
            resolved = await rooms.images.resolve(self.uri, order.key.region)
        if resolved.architecture != order.architecture:
            raise InvalidParameterValueException(
                f"The source image {self.uri} is for {resolved.architecture}, and the function's architecture is "
                f"{order.architecture}. Provide an image for {order.architecture}, or change Architectures."
            )
        return Code(
            origin=self.uri,
            architecture=order.architecture,
            code_sha256=resolved.digest.removeprefix("sha256:"),
            image=resolved.digest,
            image_uri=self.uri,
            resolved_image_uri=resolved.resolved_uri,
        )
