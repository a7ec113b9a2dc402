"""Code that is in the store already: an earlier deployment, rolled back to."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import NamedTemporaryFile

from lamina.deploy._interface import Code, Order, Rooms
from lamina.deploy._s3 import S3_BYTES, S3Object, mapped
from lamina.deploy._step import Steps
from lamina.deploy._zip import take_zip


@dataclass(frozen=True, slots=True)
class StoredCode:
    """What an earlier deployment deployed. It goes through every step again: its signature may have been revoked."""

    code: Code

    @property
    def origin(self) -> str:
        """See ``Source.origin``."""
        return self.code.origin

    async def obtain(self, order: Order, rooms: Rooms, step: Steps) -> Code:
        """See ``Source.obtain``. A zip that is not kept is read from S3, an image is found by its digest."""
        code = self.code
        if code.image:
            # The tag may have moved; the digest that it meant has not.
            with step("resolve"):
                await rooms.images.resolve(code.resolved_image_uri, order.key.region)
            return code
        if code.reference is not None:
            where = code.reference
            source = S3Object(bucket=where.bucket, key=where.key, version=where.version, by_reference=True)
            return await source.obtain(order, rooms, step)
        with ExitStack() as stack:
            with step("read"):
                data = await asyncio.to_thread(stack.enter_context, _contents(code, order, rooms))
            taken = await take_zip(data, S3_BYTES, order, rooms, step)
        return replace(taken, origin=code.origin)


@contextmanager
def _contents(code: Code, order: Order, rooms: Rooms) -> Iterator[memoryview]:
    with rooms.packages.opened(code.package, order.sealing) as package:
        if code.kms_key:
            # What is encrypted at rest does not go to the disk in the clear.
            yield memoryview(package.read())
            return
        with NamedTemporaryFile(dir=rooms.scratch, prefix="rollback-") as file:
            shutil.copyfileobj(package, file, 1 << 20)
            file.flush()
            with mapped(Path(file.name)) as data:
                yield data
