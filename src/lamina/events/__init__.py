"""Asynchronous invocations: a durable queue with retries."""

from lamina.events._queue import EventQueue, QueuedInvocation

__all__ = ["EventQueue", "QueuedInvocation"]
