"""Content-addressed, read-only code trees: each package is checked, stored and unpacked once."""

from lamina.packages._bytecode import BadBytecode
from lamina.packages._limits import PackageLimits
from lamina.packages._record import Package
from lamina.packages._refusals import BadZip, EmptyZip, UnpackedTooLarge
from lamina.packages._store import Packages

__all__ = ["BadBytecode", "BadZip", "EmptyZip", "Package", "PackageLimits", "Packages", "UnpackedTooLarge"]
