"""Images whose function answers with a number: a root file system with one static program and one file."""

from __future__ import annotations

import io
import platform
import shutil
import subprocess
import tarfile
from pathlib import Path

COMPILER = "gcc"
# The Runtime API over one connection that is kept.
_BOOTSTRAP = r"""
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static char answer[1 << 16];
static void ask(int connection, const char *request) {
    if (write(connection, request, strlen(request)) < 0) exit(3);
    size_t size = 0;
    for (;;) {
        ssize_t got = read(connection, answer + size, sizeof answer - 1 - size);
        if (got <= 0) exit(4);
        size += got;
        answer[size] = 0;
        char *end = strstr(answer, "\r\n\r\n"), *length = strcasestr(answer, "content-length: ");
        if (end && (!length || size - (end + 4 - answer) >= strtoul(length + 16, NULL, 10))) return;
    }
}
int main(void) {
    static char request[1024], number[32], id[64];
    int file = open("/number", O_RDONLY);
    if (file < 0 || read(file, number, sizeof number - 1) <= 0) return 2;
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons(9001)};
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int connection = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(connection, (struct sockaddr *)&place, sizeof place) != 0) return 3;
    for (;;) {
        ask(connection, "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n");
        char *found = strcasestr(answer, "aws-request-id: ");
        if (!found || sscanf(found + 16, "%63[^\r]", id) != 1) return 5;
        snprintf(request, sizeof request,
                 "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: x\r\n"
                 "Content-Length: %zu\r\n\r\n%s", id, strlen(number), number);
        ask(connection, request);
    }
}
"""
CONFIG = {"Entrypoint": ["/bootstrap"]}
# What an image calls the processors of this machine.
PLATFORM = {"aarch64": "arm64"}.get(platform.machine(), "amd64")


def can_be_made() -> bool:
    """Whether there is a compiler."""
    return shutil.which(COMPILER) is not None


def base_layer(folder: Path) -> bytes:
    """The tar of the lower layer: the program, and the directories that a sandbox needs."""
    program = folder / "bootstrap"
    command = [COMPILER, "-static", "-O1", "-D_GNU_SOURCE", "-x", "c", "-o", str(program), "-"]
    subprocess.run(command, input=_BOOTSTRAP, text=True, check=True)
    return _tar({"bootstrap": program.read_bytes()})


def number_layer(number: int) -> bytes:
    """The tar of the upper layer: what the function answers."""
    return _tar({"number": str(number).encode()})


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            item = tarfile.TarInfo(name)
            item.mode, item.size = 0o755, len(data)
            archive.addfile(item, io.BytesIO(data))
    return buffer.getvalue()
