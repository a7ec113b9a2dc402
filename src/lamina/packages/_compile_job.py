#!/usr/bin/env python3
"""Compile every Python source below one folder into another: the job that runs inside a sandbox.

    python _compile_job.py SOURCE_ROOT OUTPUT_ROOT

writes ``OUTPUT_ROOT/<folder>/__pycache__/<module>.<tag>.pyc`` for ``SOURCE_ROOT/<folder>/<module>.py``. The bytecode
never compares itself with its source (PEP 552, unchecked hash), because the tree never changes. What does not compile
is left out: the import says why. It runs under Python 3.6 to 3.14 with the standard library alone, so nothing newer
than 3.6 may be used here; 3.6 has no such bytecode and gets the kind with time and size.
"""

# ruff: noqa: PTH103, PTH110, PTH105, PTH116, PTH118, PTH120, PTH123

import importlib.util
import marshal
import os
import stat
import sys
import warnings

LARGEST_SOURCE = 8 * 1024 * 1024
MOST_SOURCES = 65536
LONGEST_NAME = 220  # with the tag and suffixes it must stay under 256 bytes, and the path under 4096
LONGEST_PATH = 3800
WORTH_A_PROCESS = 1024 * 1024
UNCHECKED_HASH = b"\1\0\0\0"
HAS_UNCHECKED_HASHES = hasattr(importlib.util, "source_hash")


def find_sources(root):
    # type: (str) -> list[tuple[str, int]]
    """Paths relative to ``root`` and sizes of the sources without bytecode, the largest first."""
    found = []
    for here, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names:
            path = os.path.join(here, name)
            if (
                not name.endswith(".py")
                or len(os.fsencode(name)) > LONGEST_NAME
                or len(os.fsencode(path)) > LONGEST_PATH
            ):
                continue
            if os.path.exists(bytecode_of(here, name)):
                continue
            facts = os.lstat(path)
            if stat.S_ISREG(facts.st_mode) and facts.st_size <= LARGEST_SOURCE:
                found.append((os.path.relpath(path, root), facts.st_size))
    found.sort(key=lambda pair: pair[1], reverse=True)
    return found[:MOST_SOURCES]


def bytecode_of(folder, name):
    # type: (str, str) -> str
    """Where this interpreter looks for the bytecode of a module in a folder."""
    return os.path.join(folder, "__pycache__", f"{name[:-3]}.{sys.implementation.cache_tag}.pyc")


def header(source, path):
    # type: (bytes, str) -> bytes
    """The first bytes of the bytecode, as the import system wants them."""
    magic = importlib.util.MAGIC_NUMBER
    if HAS_UNCHECKED_HASHES:
        return magic + UNCHECKED_HASH + importlib.util.source_hash(source)
    changed = int(os.stat(path).st_mtime) & 0xFFFFFFFF
    return magic + changed.to_bytes(4, "little") + (len(source) & 0xFFFFFFFF).to_bytes(4, "little")


def compile_one(root, relative, output):
    # type: (str, str, str) -> None
    """Compile one source, or leave it out; the file appears under its name when it is whole."""
    path = os.path.join(root, relative)
    with open(path, "rb") as stream:
        source = stream.read()
    try:
        code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return
    folder, name = os.path.split(os.path.join(output, relative))
    target = bytecode_of(folder, name)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target + ".part", "wb") as stream:
        stream.write(header(source, path) + marshal.dumps(code))
    os.replace(target + ".part", target)


def compile_all(root, sources, output):
    # type: (str, list[tuple[str, int]], str) -> None
    """Compile ``sources`` one after the other."""
    for relative, _ in sources:
        compile_one(root, relative, output)


def processes_for(sources):
    # type: (list[tuple[str, int]]) -> int
    """As many as there are cores, if there is enough to do for each."""
    wanted = sum(size for _, size in sources) // WORTH_A_PROCESS
    return max(1, min(len(os.sched_getaffinity(0)), wanted))


def main(root, output):
    # type: (str, str) -> int
    """Share the sources among processes; 0 if all of them came to their end."""
    warnings.simplefilter("ignore")
    sources = find_sources(root)
    count = processes_for(sources)
    children = []
    for share in range(1, count):
        child = os.fork()
        if child == 0:
            compile_all(root, sources[share::count], output)
            os._exit(0)
        children.append(child)
    compile_all(root, sources[::count], output)
    return max([os.waitpid(child, 0)[1] for child in children] or [0]) and 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
