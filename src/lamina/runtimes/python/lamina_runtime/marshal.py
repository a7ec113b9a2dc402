"""Results and errors as JSON, with the choices of AWS's runtime for Python."""

import json
import sys

from lamina_runtime.faults import Fault


class Marshaller:
    """Writes JSON. ``unicode`` keeps other characters than ASCII as they are, as the runtimes since 3.12 do."""

    def __init__(self, unicode):
        self._ascii = json.JSONEncoder(default=_default)
        self._encoder = json.JSONEncoder(default=_default, ensure_ascii=False) if unicode else self._ascii

    def result(self, result):
        """The bytes of a handler's result. Raises ``Fault`` with AWS's text when it has no JSON form."""
        try:
            return self._encode(result)
        except Exception as error:
            raise Fault("Runtime.MarshalError", "Unable to marshal response: {}".format(error)) from None

    def error(self, payload):
        """The bytes of an error payload."""
        return self._encode(payload)

    def _encode(self, value):
        try:
            return self._encoder.encode(value).encode()
        except UnicodeEncodeError:  # A lone surrogate has no UTF-8 form, but an escape.
            return self._ascii.encode(value).encode()


def _default(value):
    decimal = sys.modules.get("decimal")
    if decimal is not None and isinstance(value, decimal.Decimal):
        return float(value)
    raise TypeError("Object of type {} is not JSON serializable".format(type(value).__name__))
