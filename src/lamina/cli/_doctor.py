"""``lamina doctor``: what this machine can do, found out by trying."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from lamina.runtimes import ChoicesError, Runtime, Runtimes, RuntimeUnavailable
from lamina.sandbox import (
    ARCHITECTURES,
    MEANING,
    Capability,
    Launcher,
    Report,
    SandboxUnavailable,
    native_architecture,
)
from lamina.settings import Settings


def doctor(settings: Settings) -> None:
    """Print the isolation level and why, what it is made of, and the runtimes.

    Raises ``click.ClickException``, which is exit status 1 and one line, for a level that this machine does not allow.
    """
    try:
        report = asyncio.run(_report(settings.isolation))
    except SandboxUnavailable as error:
        raise click.ClickException(str(error)) from None
    try:
        runtimes = Runtimes.discover(lack=report.lack, choices=settings.data.absolute())
    except ChoicesError as error:
        raise click.ClickException(str(error)) from None
    console = Console(highlight=False)
    console.print(f"[bold]Isolation: level {report.level}[/]: {MEANING[report.level]}.")
    console.print(f"{_why(report, settings.isolation)}\n")
    console.print(_capabilities(report.capabilities))
    console.print(_architectures(report))
    console.print(_runtimes(runtimes))


async def _report(isolation: str) -> Report:
    """Start a launcher as ``lamina serve`` does, in a folder of its own, and end it."""
    with tempfile.TemporaryDirectory(prefix="lamina-doctor-") as folder:
        launcher = await Launcher.open(Path(folder), isolation, spares=0)
        await launcher.close()
        return launcher.report


def _why(report: Report, isolation: str) -> str:
    if isolation == report.level:
        return "It is the one that was asked for."
    missing = [each.name for each in report.capabilities if not each.works and each.needed_for]
    if not missing:
        return "It is the best level there is."
    return f"It is the best level here: what is missing for a better one is {', '.join(missing)}."


def _capabilities(capabilities: Sequence[Capability]) -> Table:
    table = Table("a sandbox's", "for level", "here", "remedy")
    for each in capabilities:
        here = Text("yes", "green") if each.works else Text(f"no: {each.reason}", "red")
        levels = ", ".join(each.needed_for) or "optional"
        table.add_row(each.name, levels, here, Text("" if each.works else each.remedy))
    return table


def _architectures(report: Report) -> Table:
    """What programs run here: those of provided runtimes and of images, which are emulated where they are foreign."""
    table = Table("architecture", "provided runtimes and images")
    for name in ARCHITECTURES:
        native, lacking = name == native_architecture(), report.lack(name)
        here = Text("native" if native else "emulated", "green") if not lacking else Text(f"no: {lacking}", "red")
        table.add_row(name, here)
    return table


def _runtimes(runtimes: Runtimes) -> Table:
    table = Table("runtime", "version", Column("runs with", overflow="fold"), "AWS SDK")
    for name in runtimes.names:
        choice = runtimes.chosen.get(name)
        try:
            runtime = runtimes.resolve(name, choice.architecture if choice else "")
        except RuntimeUnavailable as error:
            table.add_row(name, "", Text(str(error), "red"), "")
            continue
        origin = runtime.origin or "the function's own bootstrap"
        table.add_row(name, _version(runtime), Text(origin), "boto3" if _has_sdk(runtime) else "")
    return table


def _version(runtime: Runtime) -> str:
    """``python:3.12.v1`` is 3.12.1; an OS-only runtime has no version, nor has what is in an image."""
    _, _, version = runtime.version_label.partition(":")
    return version.replace(".v", ".") if runtime.origin and runtime.image is None else ""


def _has_sdk(runtime: Runtime) -> bool:
    return any(bind.source.name == "boto3" for bind in runtime.binds)
