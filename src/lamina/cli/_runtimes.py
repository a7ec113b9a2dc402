"""``lamina runtimes``: what each ``Runtime`` name runs with and why, and how to choose otherwise.

A choice is written to the data folder, whose owner alone may choose; a running service reads it at its next start of
an environment.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from pathlib import Path

import botocore.session
import click
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from lamina.errors import ServiceError, ServiceException
from lamina.runtimes import Choice, ChoicesError, Runtimes, RuntimeUnavailable, write_choice
from lamina.settings import Settings


def show(settings: Settings, *, why: bool) -> None:
    """Print a line for every name of the API; with ``why`` also where an interpreter was looked for in vain."""
    runtimes = _discovered(settings)
    table = Table("runtime", Column("runs with", overflow="fold"), "because")
    for name in dict.fromkeys((*_names(), *runtimes.chosen)):
        text, because = _resolved(runtimes, name)
        if not why:
            text.plain = text.plain.partition(": looked for ")[0]
        table.add_row(name, text, because)
    Console(highlight=False).print(table)


def _resolved(runtimes: Runtimes, name: str) -> tuple[Text, str]:
    choice = runtimes.chosen.get(name)
    try:
        runtime = runtimes.resolve(name, choice.architecture if choice else "")
    except RuntimeUnavailable as error:
        return Text(str(error), "red"), "chosen" if choice else "not found"
    return Text(runtime.origin or "the function's own bootstrap"), "chosen" if choice else "found"


def add(settings: Settings, name: str, image: str | None, path: Path | None) -> None:
    """Choose a program of this machine or an image for ``name``, after having looked at it."""
    if (image is None) == (path is None):
        raise click.ClickException("say one of --path and --image")
    if name not in _names():
        raise click.ClickException(f"{name} is not a runtime of the Lambda API")
    choice = _of_path(settings, name, path.absolute()) if path is not None else _of_image(settings, image or "")
    _write(settings, name, choice)
    click.echo(f"{name} runs with {choice.path or choice.image}; environments that run already keep what they have")


def remove(settings: Settings, name: str) -> None:
    """Forget what was chosen: the name runs with what is found."""
    if not _write(settings, name, None):
        raise click.ClickException(f"nothing was chosen for {name}")
    text, _ = _resolved(_discovered(settings), name)
    click.echo(f"{name}: {text}")


def _of_path(settings: Settings, name: str, path: Path) -> Choice:
    try:
        _discovered(settings).with_program(name, path)
    except RuntimeUnavailable as error:
        raise click.ClickException(str(error)) from None
    return Choice(path=path)


def _of_image(settings: Settings, uri: str) -> Choice:
    """The image that ``uri`` is now: a choice names its digest, so that nothing changes behind the operator's back."""
    try:
        return asyncio.run(_resolve(settings, uri))
    except ServiceException:
        raise click.ClickException(f"the registry of {uri} does not answer as one") from None
    except ServiceError as error:
        raise click.ClickException(error.message or error.code) from None


async def _resolve(settings: Settings, uri: str) -> Choice:
    from lamina.images import Images, Registries

    certificates = Path(settings.registry_ca) if settings.registry_ca else None
    with tempfile.TemporaryDirectory(prefix="lamina-runtimes-") as folder:
        images = Images(Path(folder) / "images", Registries.parse(settings.registry, certificates))
        try:
            found = await images.resolve(uri)
        finally:
            await asyncio.to_thread(images.close)
    return Choice(image=found.resolved_uri, architecture=found.architecture)


def _write(settings: Settings, name: str, choice: Choice | None) -> bool:
    try:
        return write_choice(settings.data.absolute(), name, choice)
    except ChoicesError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or settings.data}: {error.strerror}") from None


def _discovered(settings: Settings) -> Runtimes:
    try:
        return Runtimes.discover(choices=settings.data.absolute(), lack=lambda _: "")
    except ChoicesError as error:
        raise click.ClickException(str(error)) from None


def _names() -> list[str]:
    """The names of the API, each language's together."""
    model = botocore.session.get_session().get_service_model("lambda")
    return sorted(model.shape_for("Runtime").enum, key=_order)


def _order(name: str) -> tuple[str, list[int], str]:
    language = re.match(r"[a-z]*", name)
    return (language[0] if language else "", [int(number) for number in re.findall(r"\d+", name)], name)
