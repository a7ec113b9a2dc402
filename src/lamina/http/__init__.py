"""The HTTP edge: one ASGI application that speaks the service model."""

from lamina.http._application import Application
from lamina.http._door import Door
from lamina.http._guard import Guard
from lamina.http._model import ServiceModel
from lamina.http._passage import Passage
from lamina.http._presign import presign
from lamina.http._protocol import Protocol
from lamina.http._s3 import S3Gateway
from lamina.http._sigv4 import Verifier

__all__ = ["Application", "Door", "Guard", "Passage", "Protocol", "S3Gateway", "ServiceModel", "Verifier", "presign"]
