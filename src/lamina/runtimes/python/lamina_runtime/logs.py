"""Standard output and the ``logging`` module as functions find them on AWS."""

import builtins
import io
import json
import logging
import os
import sys
import time

from lamina_runtime.faults import stack_trace

_TIME = "%Y-%m-%dT%H:%M:%S"
_LEVELS = {"TRACE": 5, "DEBUG": 10, "INFO": 20, "WARN": 30, "WARNING": 30, "ERROR": 40, "FATAL": 50, "CRITICAL": 50}
_STANDARD_FIELDS = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {
    "aws_request_id",
    "message",
    "tenant_id",
}


def open_streams():
    """Make ``sys.stdout`` and ``sys.stderr`` UTF-8 streams that write at once and accept every string."""
    sys.stdout = sys.__stdout__ = _stream(1, "<stdout>")
    sys.stderr = sys.__stderr__ = _stream(2, "<stderr>")
    if not hasattr(builtins, "exit"):  # They come from the ``site`` module, which is not loaded.
        from _sitebuiltins import Quitter

        builtins.exit = Quitter("exit", "Ctrl-D (i.e. EOF)")
        builtins.quit = Quitter("quit", "Ctrl-D (i.e. EOF)")


def _stream(descriptor, name):
    raw = io.FileIO(descriptor, "w", closefd=False)
    raw.name = name
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)


def flush():
    """Write out what a function's own streams still hold; one that is closed or replaced has nothing to say."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            continue


def configure(environment):
    """Set the root logger up in the format that the function asks for, and return the log of the runtime."""
    json_format = environment.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
    handler = _Handler()
    handler.setFormatter(_JsonFormatter() if json_format else _TextFormatter())
    log = Log(json_format)
    handler.addFilter(log)
    root = logging.getLogger()
    root.addHandler(handler)
    level = _LEVELS.get(environment.get("AWS_LAMBDA_LOG_LEVEL", "").upper())
    if json_format and level is not None:
        root.setLevel(level)
    return log


class Log(logging.Filter):
    """The runtime's own part of the log. As a filter it also marks each record with the current request."""

    def __init__(self, json_format):
        super().__init__()
        self._json_format = json_format
        self._request_id = ""
        self._tenant_id = None

    def begin(self, request_id, tenant_id):
        """From now on records belong to this request."""
        self._request_id = request_id
        self._tenant_id = tenant_id

    def filter(self, record):
        """Mark the record; none is dropped."""
        record.aws_request_id = self._request_id
        record.tenant_id = self._tenant_id
        return True

    def fault(self, fault, request_id):
        """Write an error that the function did not catch."""
        if self._json_format:
            record = {"timestamp": time.strftime(_TIME + "Z", time.gmtime()), "log_level": "ERROR"}
            record.update(fault.payload(request_id))
            text = json.dumps(record)
        else:
            lines = ["[ERROR] {}: {}".format(fault.error_type, fault.message), "Traceback (most recent call last):"]
            for frame in fault.stack_trace:
                lines.extend(_indented(line) for line in frame.splitlines())
            text = "\n".join(lines)
        _write(text + "\n")


def _indented(line):
    # CloudWatch would drop ordinary blanks at the start of a line, so AWS writes no-break ones.
    rest = line.lstrip(" ")
    return "\u00a0" * (len(line) - len(rest)) + rest


class _Handler(logging.Handler):
    """Writes each record to standard output, in one write."""

    def emit(self, record):
        try:
            _write(self.format(record))
        except Exception:
            self.handleError(record)


class _TextFormatter(logging.Formatter):
    """``[LEVEL]<tab>time<tab>request id<tab>message``."""

    converter = time.gmtime

    def __init__(self):
        super().__init__("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", _TIME)

    def format(self, record):
        return super().format(record) + "\n"


class _JsonFormatter(logging.Formatter):
    """One JSON object a record, with the keys of AWS's "JSON log format" for Python."""

    converter = time.gmtime

    def __init__(self):
        super().__init__(datefmt=_TIME + "Z")

    def format(self, record):
        fields = {
            "timestamp": self.formatTime(record, self.datefmt),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[0] is not None:
            fields.update(_exception(record))
        fields["requestId"] = record.aws_request_id
        fields["tenantId"] = record.tenant_id
        for name, value in vars(record).items():
            if name not in _STANDARD_FIELDS:
                fields.setdefault(name, value)
        return json.dumps({k: v for k, v in fields.items() if v is not None}, ensure_ascii=False, default=str) + "\n"


def _exception(record):
    kind, value, trace = record.exc_info
    return {
        "stackTrace": stack_trace(trace),
        "errorType": kind.__name__,
        "errorMessage": str(value),
        "location": "{}:{}:{}".format(record.pathname, record.funcName, record.lineno),
    }


def _write(text):
    os_write_all(1, text.encode("utf-8", "backslashreplace"))


def os_write_all(descriptor, data):
    """Write all of the data; a pipe may take it in several parts."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
