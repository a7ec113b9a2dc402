"""``lamina logs``: the log of a function, over the same API that ``aws logs`` uses."""

from __future__ import annotations

import re
import time
from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError

from lamina.cli._endpoint import Endpoint

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_POLL_SECONDS = 0.5


def logs(endpoint: Endpoint, function: str, *, follow: bool, since: str) -> None:
    """Print the events of the function's log group; with ``follow`` until interrupted."""
    client = endpoint.client("logs")
    group = function if function.startswith("/") else f"/aws/lambda/{function}"
    start = int((time.time() - _seconds(since)) * 1000)
    seen: set[str] = set()
    while True:
        try:
            start = _print(client, group, start, seen)
        except ClientError as error:
            if not (follow and error.response["Error"]["Code"] == "ResourceNotFoundException"):
                raise click.ClickException(error.response["Error"]["Message"]) from None
        except BotoCoreError as error:
            raise click.ClickException(str(error)) from None
        if not follow:
            return
        time.sleep(_POLL_SECONDS)


def _print(client: Any, group: str, start: int, seen: set[str]) -> int:
    latest = start
    for page in client.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=start):
        for event in page["events"]:
            if event["eventId"] not in seen:
                seen.add(event["eventId"])
                click.echo(event["message"], nl=not event["message"].endswith("\n"))
            latest = max(latest, event["timestamp"])
    return latest


def _seconds(since: str) -> int:
    match = re.fullmatch(r"(\d+)([smhd])", since)
    if match is None:
        raise click.ClickException(f"--since cannot be {since!r}: expected a number and s, m, h or d")
    return int(match[1]) * _UNITS[match[2]]
