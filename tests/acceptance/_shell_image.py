"""An image that any machine can make: a shell, and a function written for it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lamina.sandbox import Launcher, native_architecture
from tests._image_trees import system_layer
from tests._registry import Content, Link, Registry, layer, push

# The Runtime API through a redirection of bash, one connection for each request.
_BOOTSTRAP = r"""#!/bin/bash
head='%s /2018-06-01/runtime/invocation/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s'
ask() {
    exec 3<>/dev/tcp/127.0.0.1/9001
    printf "$head" "$1" "$2" "${#3}" "$3" >&3
    while IFS= read -r line <&3 && line=${line%$'\r'} && [[ $line ]]; do
        name=${line%%:*}
        case ${name,,} in
            lambda-runtime-aws-request-id) id=${line#*: } ;;
            content-length) size=${line#*: } ;;
        esac
    done
    IFS= read -r -N "$size" body <&3
    exec 3>&-
}
while true; do
    ask GET next
    ask POST "$id/response" "{\"answer\": \"$(</answer)\", \"command\": \"$*\", \"folder\": \"$PWD\", \"event\": $body}"
done
"""
_PLATFORMS = {"x86_64": "amd64", "arm64": "arm64"}


def skip_without_images(folder: Path) -> None:
    """Skip the test where image functions cannot run; ``folder`` is for the attempt."""
    if not can_run_images(folder):
        pytest.skip("this machine lets this user isolate nothing, and images need a root of their own")


def can_run_images(folder: Path) -> bool:
    """Whether image functions can run on this machine; ``folder`` is for the attempt."""
    return asyncio.run(_level(folder)) != "E"


async def _level(folder: Path) -> str:
    launcher = await Launcher.open(folder)
    await launcher.close()
    return launcher.level


def push_function(registry: Registry, folder: Path, tag: str, answer: str) -> str:
    """Push ``app:tag``, whose function answers with ``answer``, its command, its folder and the event; the digest."""
    tree = system_layer(folder, "/bin/bash")
    system = {str(path.relative_to(tree)): _content(path) for path in sorted(tree.rglob("*"))}
    top: dict[str, Content] = {"bootstrap": _BOOTSTRAP.encode(), "answer": answer.encode(), "work/": None}
    layers = [layer(system, dict.fromkeys(system, 0o755)), layer(top, {"bootstrap": 0o755})]
    config = {"Entrypoint": ["/bootstrap"], "Cmd": ["of-image"]}
    return push(registry, "app", tag, layers, config, architecture=_PLATFORMS[native_architecture()])


def _content(path: Path) -> Content:
    if path.is_symlink():
        return Link(str(path.readlink()))
    return path.read_bytes() if path.is_file() else None
