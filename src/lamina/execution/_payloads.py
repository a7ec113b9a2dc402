"""The error payloads that the service itself makes, in the recorded words and key order (API notes, 20.6)."""

from __future__ import annotations

import os

import orjson

from lamina.sandbox import Exit

MAX_RESPONSE_BYTES = 6_291_556
_SIGNAL_NAMES = {4: "illegal instruction", 6: "aborted", 7: "bus error", 8: "floating point exception"}
_SIGNAL_NAMES |= {9: "killed", 11: "segmentation fault", 15: "terminated"}
_INIT_CODES = {
    "Sandbox.Timedout": "FunctionError.InitTimeout",
    "Runtime.ExitError": "FunctionError.RuntimeInitError",
    "Runtime.InvalidEntrypoint": "FunctionError.InvalidEntryPoint",
}


def _payload(error_type: str, message: str) -> bytes:
    return orjson.dumps({"errorType": error_type, "errorMessage": message})


def timed_out(request_id: str, timeout: float) -> bytes:
    """The function ran longer than its Timeout."""
    message = f"RequestId: {request_id} Error: Task timed out after {timeout:.2f} seconds"
    return _payload("Sandbox.Timedout", message)


def exited(request_id: str, exit_: Exit) -> bytes:
    """The runtime's process ended in the middle of an invocation or of its initialisation."""
    return _payload("Runtime.ExitError", f"RequestId: {request_id} Error: Runtime exited {exit_reason(exit_)}")


def exit_reason(exit_: Exit) -> str:
    """How a process ended, as the service puts it: an exit status of 0 gives no reason."""
    if exit_.signal is not None:
        return f"with error: signal: {_SIGNAL_NAMES.get(exit_.signal, exit_.signal)}"
    if exit_.status:
        return f"with error: exit status {exit_.status}"
    return "without providing a reason"


def extension_failed(request_id: str, error_type: str, reason: str) -> bytes:
    """An extension has ended, or says that it cannot go on."""
    return _payload(error_type, f"RequestId: {request_id} Error: {reason}")


def error_type(payload: bytes) -> str:
    """The kind of error of a payload that may come from a runtime."""
    try:
        return str(orjson.loads(payload)["errorType"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "Runtime.Unknown"


def fault(request_id: str) -> str:
    """What telemetry says of a runtime that has ended in the middle of an invocation."""
    return f"RequestId: {request_id} Process exited before completing request"


def ended_reason(exit_: Exit) -> str:
    """How an extension ended, as the service puts it."""
    return exit_reason(exit_).removeprefix("with error: ") if exit_.status != 0 else "exit code 0"


def launch_reason(path: str, number: int) -> str:
    """Why a program could not be started."""
    answer = os.strerror(number)
    return f"fork/exec {path}: {answer[:1].lower()}{answer[1:]}"


def truncated(request_id: str) -> bytes:
    """The runtime has closed the connection in the middle of a response that it streamed."""
    return _payload("Runtime.TruncatedResponse", f"RequestId: {request_id} Error: Response was truncated")


def response_too_large(limit: int = MAX_RESPONSE_BYTES) -> bytes:
    """The function's answer is above the limit: by default that of an answer that is not streamed."""
    text = f"Response payload size exceeded maximum allowed payload size ({limit} bytes)."
    return orjson.dumps({"errorMessage": text, "errorType": "Function.ResponseSizeTooLarge"})


def invalid_entrypoint(request_id: str, reason: str) -> bytes:
    """The environment could not be started at all."""
    return _payload("Runtime.InvalidEntrypoint", f"RequestId: {request_id} Error: {reason}")


def launch_failed(request_id: str, error_type: str, reason: str) -> bytes:
    """The program of an image function, or its working directory, is not there or is not for its user."""
    return _payload(error_type, f"RequestId: {request_id} Error: {reason}")


def init_error(body: bytes, request_id: str) -> bytes:
    """What a runtime has posted when it could not initialise; the bootstrap of ``provided`` knows no request id."""
    try:
        error = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body
    if not isinstance(error, dict) or error.get("errorType") != "Runtime.InvalidEntrypoint":
        return body
    return invalid_entrypoint(request_id, str(error.get("errorMessage")))


def init_reason(payload: bytes) -> tuple[str, str]:
    """The StateReasonCode and the StateReason of a version that cannot be initialised, from its error payload."""
    try:
        error = orjson.loads(payload)
    except orjson.JSONDecodeError:
        error = None
    if not isinstance(error, dict):
        return "FunctionError", "The function could not be initialised."
    code = _INIT_CODES.get(str(error.get("errorType")), "FunctionError")
    if code == "FunctionError.InitTimeout":
        return code, "The function was not initialised in time."
    message = str(error.get("errorMessage") or "The function could not be initialised.")
    return code, message.removeprefix("RequestId:  Error: ")
