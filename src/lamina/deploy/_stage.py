"""Unpack and stage: the code lies durable and read-only in the store before anything refers to it."""

from __future__ import annotations

import asyncio

from lamina.deploy._interface import Package, Packages


async def stage(packages: Packages, data: bytes) -> Package:
    """Store the package in a worker thread: inflating and hashing 50 MiB must not hold up the event loop."""
    return await asyncio.to_thread(packages.stage, data)
