"""Objects of S3: the code that functions are made from, and the store that keeps it."""

from lamina.objects._choice import open_objects
from lamina.objects._embedded import EmbeddedObjects
from lamina.objects._exchange import Exchange
from lamina.objects._interface import (
    NoUpstream,
    ObjectLocation,
    ObjectStore,
    StoredObject,
    SubResources,
    Upstream,
    UpstreamDown,
)
from lamina.objects._memory import MemoryObjects
from lamina.objects._remote import RemoteObjects

__all__ = [
    "EmbeddedObjects",
    "Exchange",
    "MemoryObjects",
    "NoUpstream",
    "ObjectLocation",
    "ObjectStore",
    "RemoteObjects",
    "StoredObject",
    "SubResources",
    "Upstream",
    "UpstreamDown",
    "open_objects",
]
