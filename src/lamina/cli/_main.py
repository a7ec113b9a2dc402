"""``lamina`` and its commands."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from lamina import __version__, settings


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lamina")
def main() -> None:
    """A self-hosted function service that speaks the AWS Lambda API."""


def _with_settings(command: Callable[..., None]) -> Callable[..., None]:
    for name, help_, default in reversed(settings.options()):
        flag = f"--{name.replace('_', '-')}"
        shown = settings.shown(name, default)
        command = click.option(flag, name, help=f"{help_} [default: {shown}]")(command)
    return command


def _load(file: str, flags: dict[str, Any]) -> settings.Settings:
    try:
        return settings.load(flags, os.environ, Path(file))
    except settings.SettingsError as error:
        raise click.ClickException(str(error)) from None


@main.command()
@click.option("--config", "file", default="lamina.toml", show_default=True, help="File with settings.")
@_with_settings
def serve(file: str, **flags: Any) -> None:
    """Start the service."""
    from lamina.cli import _serve  # the other commands need not load the server

    _serve.serve(_load(file, flags))


@main.command()
@click.option("--config", "file", default="lamina.toml", show_default=True, help="File with settings.")
@_with_settings
def doctor(file: str, **flags: Any) -> None:
    """Tell what this machine can do: the isolation level and why, and the runtimes."""
    from lamina.cli import _doctor

    _doctor.doctor(_load(file, flags))


@main.command()
@click.argument("function")
@click.option("--follow", "-f", is_flag=True, help="Go on printing what comes.")
@click.option("--since", default="10m", show_default=True, help="How far back: 30s, 10m, 2h, 1d.")
@click.option("--endpoint-url", envvar="AWS_ENDPOINT_URL", default="http://127.0.0.1:4566", show_default=True)
@click.option("--region", envvar="AWS_REGION", default=None, help="Region of the function.")
def logs(function: str, follow: bool, since: str, endpoint_url: str, region: str | None) -> None:
    """Print what FUNCTION has logged."""
    from lamina.cli import _logs

    _logs.logs(function, follow=follow, since=since, endpoint_url=endpoint_url, region=region)
