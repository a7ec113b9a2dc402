"""``lamina serve``: one node, until it is interrupted."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import resource
import signal
import socket
import sys
from collections.abc import Callable

import click
import uvicorn
import uvloop

from lamina.http import Protocol
from lamina.node import CannotStart, Node
from lamina.settings import AccessKey, Settings, SettingsError

_GRACE_SECONDS = 1


class _Server(uvicorn.Server):
    """Uvicorn's server that says when it is ready."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def serve(settings: Settings) -> None:
    """Run until SIGINT or SIGTERM; every reason not to start is one line."""
    logging.basicConfig(
        level=settings.log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    _raise_file_limit()
    try:
        listener = _bind(settings)
        uvloop.run(_run(settings, listener))
    except (CannotStart, SettingsError) as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        pass


def _bind(settings: Settings) -> socket.socket:
    try:
        return socket.create_server((settings.host, settings.port), backlog=2048, family=_family(settings.host))
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        if error.errno == errno.EADDRINUSE:
            raise CannotStart(f"{where} is in use; choose another with --port") from None
        raise CannotStart(f"cannot listen on {where}: {error.strerror or error}") from None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _raise_file_limit() -> None:
    """Every environment takes some six descriptors."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _run(settings: Settings, listener: socket.socket) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{host}:{listener.getsockname()[1]}"
    node = await Node.open(settings, address, _announce)
    config = uvicorn.Config(
        node.application,
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    # Uvicorn ends at these signals and then raises them again, which must not cut short what is put away below.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    # All that is loaded by now stays: no collection need look at it again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    try:
        await _Server(config, lambda: click.echo(f"Lamina is ready at {address}")).serve(sockets=[listener])
    finally:
        await asyncio.shield(node.close())


def _announce(key: AccessKey) -> None:
    click.echo("This server listens beyond loopback, so it has made keys for you. They are shown only now:")
    click.echo(f"  AWS_ACCESS_KEY_ID={key.access_key_id}\n  AWS_SECRET_ACCESS_KEY={key.secret_access_key}")
