"""``lamina history``, ``lamina rollback`` and ``lamina diff``: what was deployed, and the way back."""

from __future__ import annotations

import difflib
import io
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from lamina.cli._endpoint import Endpoint

_SHOWN_SHA = 12
_PIPED_COLUMNS = 10_000


def history(endpoint: Endpoint, function: str) -> None:
    """Print the deployments of a function, the last one first."""
    table = Table("rev", "when", "who", "what", "from → to", "source", "took", "outcome", box=None)
    for each in _deployments(endpoint, function):
        table.add_row(
            str(each["Revision"]),
            f"{datetime.fromtimestamp(each['Began'] / 1000, UTC):%Y-%m-%d %H:%M:%S}",
            each["Caller"],
            each["Operation"],
            f"{each['From'][:_SHOWN_SHA] or '-'} → {each['To'][:_SHOWN_SHA]}",
            f"{each['Source']} ({each['CodeSize']:,} bytes)" if each["CodeSize"] else each["Source"],
            _steps(each["Steps"]),
            each["Outcome"] if each["Reason"] is None else f"{each['Outcome']}: {each['Reason']}",
        )
    # A table that is piped somewhere has a line for each deployment, however long.
    Console(width=None if sys.stdout.isatty() else _PIPED_COLUMNS).print(table)


def rollback(endpoint: Endpoint, function: str, revision: int | None, *, publish: bool, dry_run: bool) -> None:
    """Deploy an earlier code again; print what the function has now."""
    params: dict[str, Any] = {"FunctionName": function, "Publish": publish, "DryRun": dry_run}
    if revision is not None:
        params["Revision"] = revision
    answer = endpoint.call("RollbackFunction", **params)
    version = f", version {answer['Version']}" if publish and not dry_run else ""
    verb = "would have" if dry_run else "has"
    click.echo(f"{answer['FunctionName']} {verb} the code {answer['CodeSha256']}{version}")


def diff(endpoint: Endpoint, function: str, before: int, after: int, *, patch: bool) -> None:
    """Print which files differ between two deployments, and with ``patch`` how."""
    old, new = _package(endpoint, function, before), _package(endpoint, function, after)
    for line in differences(old, new, patch=patch):
        click.echo(line)


def differences(old: bytes, new: bytes, *, patch: bool) -> Iterator[str]:
    """The files of two zips that differ: ``A`` added, ``D`` deleted, ``M`` modified, by name."""
    with zipfile.ZipFile(io.BytesIO(old)) as before, zipfile.ZipFile(io.BytesIO(new)) as after:
        left, right = _files(before), _files(after)
        for name in sorted(left.keys() | right.keys()):
            if name not in left:
                yield f"A  {name} ({right[name].file_size:,} bytes)"
            elif name not in right:
                yield f"D  {name} ({left[name].file_size:,} bytes)"
            elif (left[name].CRC, left[name].file_size) != (right[name].CRC, right[name].file_size):
                yield f"M  {name} ({left[name].file_size:,} → {right[name].file_size:,} bytes)"
                if patch:
                    yield from _patch(name, before.read(name), after.read(name))


def _files(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    return {each.filename: each for each in archive.infolist() if not each.is_dir()}


def _patch(name: str, old: bytes, new: bytes) -> Iterator[str]:
    try:
        left, right = old.decode().splitlines(), new.decode().splitlines()
    except UnicodeDecodeError:
        return
    yield from difflib.unified_diff(left, right, f"a/{name}", f"b/{name}", lineterm="")


def _package(endpoint: Endpoint, function: str, revision: int) -> bytes:
    for each in _deployments(endpoint, function):
        if each["Revision"] == revision:
            if "Location" not in each:
                raise click.ClickException(f"revision {revision} has no zip to look into: it is {each['Source']}")
            return endpoint.download(each["Location"])
    raise click.ClickException(f"{function} has no revision {revision} that is remembered")


def _deployments(endpoint: Endpoint, function: str) -> list[dict[str, Any]]:
    deployments: list[dict[str, Any]] = endpoint.call("ListDeployments", FunctionName=function)["Deployments"]
    return deployments


def _steps(steps: dict[str, float]) -> str:
    total = sum(steps.values())
    longest = sorted(steps, key=lambda name: -steps[name])[:3]
    return f"{total:.0f} ms ({', '.join(f'{name} {steps[name]:.0f}' for name in longest)})" if steps else "-"
