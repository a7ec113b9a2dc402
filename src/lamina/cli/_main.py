"""``lamina`` and its commands."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamina import __version__, settings

if TYPE_CHECKING:
    from lamina.cli._endpoint import Endpoint


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


def _with_endpoint(command: Callable[..., None]) -> Callable[..., None]:
    command = click.option("--region", envvar="AWS_REGION", default=None, help="Region of the function.")(command)
    return click.option(
        "--endpoint-url", envvar="AWS_ENDPOINT_URL", default="http://127.0.0.1:4566", show_default=True
    )(command)


def _endpoint(endpoint_url: str, region: str | None) -> Endpoint:
    from lamina.cli._endpoint import Endpoint

    return Endpoint(endpoint_url, region)


@main.command()
@click.argument("function")
@click.option("--follow", "-f", is_flag=True, help="Go on printing what comes.")
@click.option("--since", default="10m", show_default=True, help="How far back: 30s, 10m, 2h, 1d.")
@_with_endpoint
def logs(function: str, follow: bool, since: str, **endpoint: Any) -> None:
    """Print what FUNCTION has logged."""
    from lamina.cli import _logs

    _logs.logs(_endpoint(**endpoint), function, follow=follow, since=since)


@main.command()
@click.argument("function")
@_with_endpoint
def history(function: str, **endpoint: Any) -> None:
    """Print the deployments of FUNCTION, the last one first."""
    from lamina.cli import _history

    _history.history(_endpoint(**endpoint), function)


@main.command()
@click.argument("function")
@click.argument("revision", type=int, required=False)
@click.option("--publish", is_flag=True, help="Publish a version of it.")
@click.option("--dry-run", is_flag=True, help="Go through every check and change nothing.")
@_with_endpoint
def rollback(function: str, revision: int | None, publish: bool, dry_run: bool, **endpoint: Any) -> None:
    """Deploy the code of REVISION again; without one, the newest code before the current."""
    from lamina.cli import _history

    _history.rollback(_endpoint(**endpoint), function, revision, publish=publish, dry_run=dry_run)


@main.command()
@click.argument("function")
@click.argument("before", type=int)
@click.argument("after", type=int)
@click.option("--patch", "-p", is_flag=True, help="Show how text files differ.")
@_with_endpoint
def diff(function: str, before: int, after: int, patch: bool, **endpoint: Any) -> None:
    """List the files that differ between two revisions of FUNCTION."""
    from lamina.cli import _history

    _history.diff(_endpoint(**endpoint), function, before, after, patch=patch)


@main.command()
@click.argument("package", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--profile", required=True, help="Name of the signing profile.")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="[default: NAME-signed.zip]")
@_with_endpoint
def sign(package: Path, profile: str, output: Path | None, **endpoint: Any) -> None:
    """Put a signature into PACKAGE, a zip."""
    from lamina.cli import _sign

    _sign.sign(_endpoint(**endpoint), package, profile=profile, output=output)


@main.group(invoke_without_command=True)
@click.option("--config", "file", default="lamina.toml", show_default=True, help="File with settings.")
@click.option("--data", help="The service's data folder.  [default: .lamina]")
@click.option("--why", is_flag=True, help="Tell where an interpreter was looked for in vain.")
@click.pass_context
def runtimes(context: click.Context, file: str, data: str | None, why: bool) -> None:
    """Show what each runtime runs with, or choose otherwise."""
    from lamina.cli import _runtimes

    context.obj = _load(file, {"data": data})
    if context.invoked_subcommand is None:
        _runtimes.show(context.obj, why=why)


@runtimes.command()
@click.argument("name")
@click.option("--path", type=click.Path(path_type=Path), help="The interpreter, a program of this machine.")
@click.option("--image", help="A container image that has the runtime, such as AWS's base images.")
@click.pass_obj
def add(chosen: settings.Settings, name: str, path: Path | None, image: str | None) -> None:
    """Run NAME with a program or in an image from now on."""
    from lamina.cli import _runtimes

    _runtimes.add(chosen, name, image, path)


@runtimes.command()
@click.argument("name")
@click.pass_obj
def remove(chosen: settings.Settings, name: str) -> None:
    """Run NAME with what is found on this machine again."""
    from lamina.cli import _runtimes

    _runtimes.remove(chosen, name)
