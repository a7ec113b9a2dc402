"""Images: names resolved by their registry, layers fetched and unpacked once."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator, Set
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from lamina.images._allowance import Allowance
from lamina.images._decompress import can_read
from lamina.images._faults import Fault, Unreachable, Unsupported
from lamina.images._image import Image, ResolvedImage
from lamina.images._layers import Layers
from lamina.images._limits import ImageLimits
from lamina.images._manifest import read_config, read_manifest
from lamina.images._merged import MergedTrees
from lamina.images._record import ImageRecord, Records, dump_image, load_image
from lamina.images._reference import ImageReference, parse_image_uri
from lamina.images._refusals import not_valid, refusal, unavailable
from lamina.images._registries import Registries

if TYPE_CHECKING:
    from lamina.images._client import Client

_log = logging.getLogger(__name__)
_P = ParamSpec("_P")
_T = TypeVar("_T")
_THREADS = 32
_LAYERS_AT_ONCE = 3


class Images:
    """All container images of a node.

    With ``merged`` an image's ``layers`` are one folder that has all of them, for machines without overlayfs.
    ``grace_seconds`` is how long an image is safe from ``collect`` after it was fetched or asked for although nothing
    that is committed names it. One process owns ``root``. What asks a registry runs in threads of its own: one that
    hangs keeps nobody waiting who wants an image that is here.
    """

    def __init__(
        self,
        root: Path,
        registries: Registries | None = None,
        *,
        limits: ImageLimits | None = None,
        grace_seconds: float = 900.0,
        merged: bool = False,
    ) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._registries = registries or Registries()
        self._limits = limits or ImageLimits()
        self._grace = grace_seconds
        self._layers = Layers(root)
        self._records = Records(root / "images")
        self._merged = MergedTrees(root / "merged") if merged else None
        self._wanted: dict[str, float] = {}
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._clients: set[Client] = set()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="images")

    async def resolve(self, uri: str | ImageReference, region: str | None = None) -> ResolvedImage:
        """Ask the registry which image ``uri`` is now. ``region`` is the function's; images of ECR must be in it.

        Raises ``InvalidParameterValueException`` (malformed, not there, not supported), ``AccessDeniedException``
        (API notes 5.10), and ``ServiceException`` when the registry does not answer as one; the log has the cause.
        """
        reference = parse_image_uri(uri) if isinstance(uri, str) else uri
        if region is not None and reference.ecr_region not in (None, region):
            raise not_valid(reference.uri)
        try:
            return await self._run(self._resolve, reference)
        except Fault as fault:
            _log.warning("cannot resolve the image %s: %s", reference.uri, fault)
            raise refusal(fault, reference.uri, reference.name) from fault

    async def fetch(self, resolved: ResolvedImage) -> Image:
        """Have all layers here, proved, unpacked and on the disk, and remember the image.

        Raises ``ImageAccessDenied``, ``ImageDeleted``, ``InvalidImage``, or plain ``ImageUnavailable`` when the
        registry does not answer, and ``OSError`` when the disk is full or fails. Nothing is half there then.
        """
        with _reasons(resolved.resolved_uri):
            return await self._run(self._fetch, resolved)

    async def image(self, digest: str, source: str) -> Image:
        """The image with ``digest``, from here; what is missing is fetched again from ``source``, its resolved URI.

        Raises as ``fetch`` does.
        """
        image = await asyncio.to_thread(self._find, digest)
        if image is not None:
            return image
        with _reasons(source):
            return await self._run(self._restore, digest, source)

    def collect(self, in_use: Set[str]) -> list[str]:
        """Remove every image not in ``in_use`` nor asked for lately, and the layers that no other has. Blocks.

        ``in_use`` has the digests that committed state names and those of environments that still run. The digests
        that were removed are returned.
        """
        now = time.monotonic()
        with self._lock:
            fresh = {digest for digest, since in self._wanted.items() if now - since < self._grace}
            gone = sorted(self._records.digests() - in_use - fresh)
            for digest in gone:
                self._records.remove(digest)
            self._wanted = {digest: since for digest, since in self._wanted.items() if digest in fresh}
            if self._merged is not None:
                self._merged.collect(self._records.digests())
            kept = [load_image(self._records.get(digest)) for digest in self._records.digests()]
        self._layers.remove({diff_id for record in kept if record is not None for diff_id in record.config.diff_ids})
        return gone

    def close(self) -> None:
        """End all work; what was being fetched fails. No thread is left. Blocks for a moment."""
        self._stop.set()
        with self._lock:
            clients = [*self._clients]
        for client in clients:
            client.close()
        self._threads.shutdown(cancel_futures=True)

    async def _run(self, work: Callable[_P, _T], *arguments: _P.args, **named: _P.kwargs) -> _T:
        if self._stop.is_set():
            raise Unreachable("the store is closed", None)
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(work, *arguments, **named))

    def _resolve(self, reference: ImageReference) -> ResolvedImage:
        with self._client(reference, self._limits.resolve_seconds) as client:
            data, digest, content_type = client.manifest(reference.digest or reference.tag or "")
            manifest = read_manifest(data, digest, content_type, self._limits)
            for layer in manifest.layers:
                if not can_read(layer.compression):
                    raise Unsupported(digest, f"a layer in {layer.compression}, and no such program is here")
            config = read_config(client.blob(manifest.config_digest, manifest.config_size), manifest)
        return ResolvedImage(reference=reference, manifest=manifest, config=config)

    def _fetch(self, resolved: ResolvedImage) -> Image:
        record = ImageRecord(manifest=resolved.manifest, config=resolved.config)
        self._want(resolved.digest)
        with self._layers.pinned(record.config.diff_ids):
            self._add_layers(record, resolved.reference)
            with self._lock:
                if load_image(self._records.get(resolved.digest)) != record:
                    self._records.put(resolved.digest, dump_image(record))
            self._want(resolved.digest)
            return self._ready(record)

    def _find(self, digest: str) -> Image | None:
        """The image, if all of it is here."""
        self._want(digest)
        record = load_image(self._records.get(digest))
        if record is None or any(self._layers.find(diff_id) is None for diff_id in record.config.diff_ids):
            return None
        return self._ready(record)

    def _restore(self, digest: str, source: str) -> Image:
        reference = _pinned(source, digest)
        record = load_image(self._records.get(digest))
        if record is None:
            return self._fetch(self._resolve(reference))
        return self._fetch(ResolvedImage(reference=reference, manifest=record.manifest, config=record.config))

    def _want(self, digest: str) -> None:
        with self._lock:
            self._wanted[digest] = time.monotonic()

    def _add_layers(self, record: ImageRecord, reference: ImageReference) -> None:
        """Fetch what is missing, a few layers at once; the first that fails ends the others."""
        pairs = dict(zip(record.config.diff_ids, record.manifest.layers, strict=True))
        allowance = Allowance(self._limits, self._stop)
        size = sum(layer.size for layer in pairs.values())
        origin = self._registries.find(reference.registry).url
        with (
            ThreadPoolExecutor(_LAYERS_AT_ONCE, thread_name_prefix="layers") as beside,
            self._client(reference, self._limits.seconds_for(size)) as client,
        ):
            adding = [
                beside.submit(self._layers.add, diff_id, layer, origin, client.download, allowance)
                for diff_id, layer in pairs.items()
            ]
            done, others = wait(adding, return_when=FIRST_EXCEPTION)
            if others:
                allowance.end()
                for other in others:
                    other.cancel()
            for each in done:
                each.result()

    def _ready(self, record: ImageRecord) -> Image:
        config, digest = record.config, record.manifest.digest
        layers = tuple(map(self._layers.path, self._visible(config.diff_ids)))
        if self._merged is not None and len(layers) > 1:
            layers = (self._merged.of(digest, layers),)
        return Image(
            digest=digest,
            layers=layers,
            entrypoint=config.entrypoint,
            command=config.command,
            environment=config.environment,
            working_directory=config.working_directory,
            user=config.user,
            architecture=config.architecture,
            size=sum(layer.size for layer in record.manifest.layers),
        )

    def _visible(self, diff_ids: tuple[str, ...]) -> list[str]:
        """The layers to mount, bottom to top.

        A layer that is there twice shows itself once, at its upper place; overlayfs refuses a folder twice. Below one
        whose top is opaque there is nothing to see, which overlayfs heeds in folders only, not at the top.
        """
        visible: list[str] = []
        for diff_id in dict.fromkeys(reversed(diff_ids)):
            visible.insert(0, diff_id)
            record = self._layers.find(diff_id)
            if record is not None and record.opaque:
                break
        return visible

    @contextmanager
    def _client(self, reference: ImageReference, seconds: float) -> Iterator[Client]:
        from lamina.images._client import Client  # HTTP and TLS are loaded when first needed

        registry = self._registries.find(reference.registry)
        client = Client(registry, reference.repository, self._limits, seconds)
        with self._lock:
            self._clients.add(client)
        try:
            if self._stop.is_set():
                raise Unreachable("the store is closed", None)
            yield client
        finally:
            client.close()
            with self._lock:
                self._clients.discard(client)


@contextmanager
def _reasons(source: str) -> Iterator[None]:
    """Raise the reason of a state for each fault in the block."""
    try:
        yield
    except Fault as fault:
        _log.warning("cannot fetch the image %s: %s", source, fault)
        raise unavailable(fault, source, source.partition("@")[0]) from fault


def _pinned(source: str, digest: str) -> ImageReference:
    reference = parse_image_uri(source)
    if reference.digest != digest:
        raise ValueError(f"the image {digest} cannot come from {source}")
    return reference
