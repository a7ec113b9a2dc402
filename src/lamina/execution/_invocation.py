"""One invocation: what goes to an environment and what comes back."""

from __future__ import annotations

from typing import NamedTuple

from lamina.execution._streams import ResponseStream


class Invocation(NamedTuple):
    """A request for a function, ready to be sent to an environment.

    ``client_context`` is the decoded JSON text of the header, or empty. ``tail`` asks for the last 4 KB of the log.
    ``stream`` takes the response while it comes, if the function streams one; without it such a response is collected.
    """

    request_id: str
    payload: bytes
    invoked_arn: str
    trace_id: str
    client_context: str = ""
    tail: bool = False
    stream: ResponseStream | None = None


class Outcome(NamedTuple):
    """The end of an invocation: the function's payload, or the error payload with ``function_error`` set.

    What has gone through the invocation's stream is not in the payload.
    """

    payload: bytes
    executed_version: str
    function_error: str | None = None
    log_tail: bytes | None = None
