"""Content-addressed, read-only code trees: each package is checked, stored and unpacked once."""

from pathlib import Path

from lamina.packages._bytecode import BadBytecode
from lamina.packages._files import FileFacts
from lamina.packages._limits import PackageLimits
from lamina.packages._native import NativeCode
from lamina.packages._record import Package
from lamina.packages._refusals import BadZip, EmptyZip, UnpackedTooLarge
from lamina.packages._store import Packages

COMPILE_JOB = Path(__file__).with_name("_compile_job.py")
"""The script that byte-compiles a tree inside a sandbox; its own text says how it is called."""

__all__ = [
    "COMPILE_JOB",
    "BadBytecode",
    "BadZip",
    "EmptyZip",
    "FileFacts",
    "NativeCode",
    "Package",
    "PackageLimits",
    "Packages",
    "UnpackedTooLarge",
]
