"""Packages at rest: bytes under the name of their SHA-256."""

from lamina.blobs._interface import BlobDamaged, BlobMissing, Blobs, is_name
from lamina.blobs._local import LocalBlobs
from lamina.blobs._memory import MemoryBlobs

__all__ = ["BlobDamaged", "BlobMissing", "Blobs", "LocalBlobs", "MemoryBlobs", "is_name"]
