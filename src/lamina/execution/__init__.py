"""Execution environments and their life: pools, routing, concurrency and the Runtime API."""

from lamina.execution._execution import Execution
from lamina.execution._images import Image
from lamina.execution._invocation import Invocation, Outcome
from lamina.execution._router import Address
from lamina.execution._starter import Starter
from lamina.execution._streams import ResponseStream
from lamina.execution._surroundings import Surroundings

__all__ = ["Address", "Execution", "Image", "Invocation", "Outcome", "ResponseStream", "Starter", "Surroundings"]
