"""The Python 2.7 runtime: what runs in an execution environment of a ``python2.7`` function.

It is apart from that for Python 3 because hardly a line would be the same: text, exceptions and imports differ, and so
do the error payloads of AWS's own runtime of that time. It needs nothing but the standard library.
"""

import importlib
import json
import logging
import os
import socket
import sys
import time
import traceback

_CONTROL = 3
_HERE = os.path.dirname(os.path.abspath(__file__))
_PATH = "/2018-06-01/runtime"
_TIME = "%Y-%m-%dT%H:%M:%S"


class Fault(Exception):
    """An error of the runtime itself, under AWS's type and text."""

    def __init__(self, error_type, message, stack_trace=()):
        Exception.__init__(self, message)
        self.payload = {"errorMessage": message, "errorType": error_type, "stackTrace": list(stack_trace)}
        self.error_type = error_type


class RuntimeApi(object):
    """A client of the Runtime API (2018-06-01) over one kept-alive connection.

    The answer to an invocation and the request for the next one leave in one write, and come back in that order.
    """

    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self._place = (host, int(port))
        self._address = address
        self._next = "GET {}/invocation/next HTTP/1.1\r\nHost: {}\r\n\r\n".format(_PATH, address)
        self._stream = None

    def next(self):
        """Wait for the first invocation: its headers by lower-case name, and its payload."""
        return self._exchange([self._next])[0]

    def answer(self, request_id, body, error_type=None):
        """Send the result of an invocation, or its error when it has an ``error_type``, and wait for the next one."""
        what = "response" if error_type is None else "error"
        post = self._post("/invocation/{}/{}".format(request_id, what), body, error_type)
        return self._exchange([post, self._next])[1]

    def fail_init(self, error_type, body):
        """Report that the function could not be initialised."""
        self._exchange([self._post("/init/error", body, error_type)])

    def _post(self, path, body, error_type):
        head = "POST {}{} HTTP/1.1\r\nHost: {}\r\n".format(_PATH, path, self._address)
        if error_type is None:
            head += "Content-Type: application/json\r\n"
        else:
            head += "Content-Type: application/vnd.aws.lambda.error+json\r\n"
            head += "Lambda-Runtime-Function-Error-Type: {}\r\n".format(error_type)
        return "{}Content-Length: {}\r\n\r\n{}".format(head, len(body), body)

    def _exchange(self, requests):
        """The answers to the requests, in order. A server that has closed an old connection is asked once more."""
        answers = []
        fresh = self._stream is None
        while len(answers) < len(requests):
            try:
                if self._stream is None:
                    self._connect()
                self._socket.sendall("".join(requests[len(answers) :]))
                while len(answers) < len(requests):
                    answers.append(self._receive())
            except (socket.error, EOFError):
                self._stream = None
                if fresh:
                    raise
                fresh = True
        return answers

    def _connect(self):
        self._socket = socket.create_connection(self._place)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream = self._socket.makefile("rb", 65536)

    def _receive(self):
        self._line()
        headers = {}
        for name, _, value in (line.partition(":") for line in iter(self._line, "")):
            headers[name.lower()] = value.strip()
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return headers, self._chunks()
        return headers, self._bytes(int(headers.get("content-length", 0)))

    def _chunks(self):
        body = []
        while True:
            size = int(self._line().partition(";")[0], 16)
            if size == 0:
                break
            body.append(self._bytes(size))
            self._line()
        while self._line():
            pass
        return "".join(body)

    def _line(self):
        line = self._stream.readline()
        if not line.endswith("\n"):
            raise EOFError("The server has closed the connection.")
        return line.rstrip("\r\n")

    def _bytes(self, length):
        data = self._stream.read(length)
        if len(data) < length:
            raise EOFError("The server has closed the connection.")
        return data


class Context(object):
    """The context object of one invocation (Lambda Developer Guide, "Python context object")."""

    def __init__(self, headers):
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn", "")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.client_context = _client_context(headers.get("lambda-runtime-client-context"))
        identity = json.loads(headers.get("lambda-runtime-cognito-identity") or "null") or {}
        self.identity = _Record(
            cognito_identity_id=identity.get("cognitoIdentityId"),
            cognito_identity_pool_id=identity.get("cognitoIdentityPoolId"),
        )
        self._deadline_ms = int(headers.get("lambda-runtime-deadline-ms", 0))

    def get_remaining_time_in_millis(self):
        """Milliseconds until the invocation times out; never negative."""
        return max(self._deadline_ms - int(time.time() * 1000), 0)

    def log(self, message):
        """Write the message to the log as it is."""
        sys.stdout.write(str(message))


class _Record(object):
    def __init__(self, **attributes):
        self.__dict__.update(attributes)


def _client_context(text):
    fields = json.loads(text) if text else None
    if not isinstance(fields, dict):
        return None
    names = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")
    client = fields.get("client")
    made = _Record(**{name: client.get(name) for name in names}) if isinstance(client, dict) else None
    return _Record(custom=fields.get("custom"), env=fields.get("env"), client=made)


class _Log(logging.Handler):
    """Writes each record to standard output in the format of AWS, with the request that it belongs to."""

    request_id = ""

    def emit(self, record):
        try:
            record.aws_request_id = self.request_id
            text = self.format(record)
            _write((text.encode("utf-8") if isinstance(text, unicode) else text) + "\n")
        except Exception:
            self.handleError(record)


def main():
    """Become the function of the environment and serve its invocations until the process ends."""
    if os.environ.get("LAMINA_GENERIC") == "1":
        _wait_for_function()
    log = _Log()
    formatter = logging.Formatter("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", _TIME)
    formatter.converter = time.gmtime
    log.setFormatter(formatter)
    logging.getLogger().addHandler(log)
    api = RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    _enter_task_root()
    handler = _initialise(os.environ.get("_HANDLER", ""), api)
    headers, payload = api.next()
    while True:
        log.request_id = headers["lambda-runtime-aws-request-id"]
        _trace(headers.get("lambda-runtime-trace-id"))
        body, error_type = _run(handler, headers, payload)
        _flush()
        headers, payload = api.answer(log.request_id, body, error_type)


def _run(handler, headers, payload):
    """One invocation: the body of its answer, and the type of its error if it is one."""
    try:
        try:
            event = json.loads(payload)
        except ValueError as error:
            raise Fault("Runtime.UnmarshalError", "Unable to unmarshal input: {}".format(error))
        result = handler(event, Context(headers))
        try:
            return json.dumps(result, default=_default), None
        except Exception as error:
            raise Fault("Runtime.MarshalError", "Unable to marshal response: {}".format(error))
    except Exception:
        fault = _fault()
        return json.dumps(fault.payload), fault.error_type


def _initialise(name, api):
    """The handler function. An error on the way is reported, and then the process ends with status 1, as on AWS."""
    try:
        return _load(name)
    except Exception:
        fault = _fault()
    api.fail_init(fault.error_type, json.dumps(fault.payload))
    _flush()
    os._exit(1)


def _load(name):
    module_name, dot, function_name = name.rpartition(".")
    if not dot:
        raise Fault("Runtime.MalformedHandlerName", "Bad handler '{}': there is no dot in it".format(name))
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", "Unable to import module '{}': {}".format(module_name, error))
    except SyntaxError as error:
        place = [[error.filename, error.lineno, "", (error.text or "").strip()]]
        raise Fault("Runtime.UserCodeSyntaxError", "Syntax error in module '{}': {}".format(module_name, error), place)
    try:
        return getattr(module, function_name)
    except AttributeError:
        text = "Handler '{}' missing on module '{}'".format(function_name, module_name)
        raise Fault("Runtime.HandlerNotFound", text)


def _fault():
    """The exception that is being handled, as a fault; it is written to the log as well."""
    kind, error, trace = sys.exc_info()
    if isinstance(error, Fault):
        _write("{}\n".format(error))
        return error
    frames = traceback.extract_tb(trace)
    while frames and os.path.abspath(frames[0][0]).startswith(_HERE + os.sep):
        del frames[0]
    message = _text(error)
    shown = "".join(traceback.format_list(frames))
    _write(
        "{0}: {1}\nTraceback (most recent call last):\n{2}{1}: {0}\n".format(
            message.encode("utf-8"), kind.__name__, shown
        )
    )
    return Fault(kind.__name__, message, [[_unicode(part) for part in frame] for frame in frames])


def _text(error):
    try:
        return unicode(error)
    except UnicodeError:
        return _unicode(str(error))
    except Exception as failure:
        return u"<str() of the exception failed: {}>".format(type(failure).__name__)


def _unicode(value):
    return value.decode("utf-8", "replace") if isinstance(value, str) else value


def _default(value):
    decimal = sys.modules.get("decimal")
    if decimal is not None and isinstance(value, decimal.Decimal):
        return float(value)
    raise TypeError("{!r} is not JSON serializable".format(value))


def _wait_for_function():
    """Read the control pipe to its end and take the environment of the function from it."""
    wanted = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    missing = [directory for directory in wanted if directory and not os.path.isdir(directory)]
    with os.fdopen(_CONTROL, "rb") as control:
        environment = json.loads(control.read())["environment"]
    os.environ.clear()
    os.environ.update({name.encode("utf-8"): value.encode("utf-8") for name, value in environment.items()})
    time.tzset()
    if any(os.path.isdir(directory) for directory in missing):
        # The dynamic linker has noted that these directories do not exist and would never look again.
        os.execve(sys.executable, [sys.executable, "-u", "-S", os.path.abspath(__file__)], os.environ)


def _enter_task_root():
    """Go to the function's code and put it, and what layers bring, first on ``sys.path``."""
    root = os.environ.get("LAMBDA_TASK_ROOT", "/var/task")
    os.chdir(root)
    layers = os.environ.pop("LAMINA_LAYERS_ROOT", "/opt")
    added = [root, layers + "/python/lib/python2.7/site-packages", layers + "/python"]
    rest = [entry for entry in sys.path if entry not in added and entry != _HERE]
    sys.path[:] = added + [_HERE] + rest
    sys.path_importer_cache.clear()


def _trace(trace_id):
    if trace_id:
        os.environ["_X_AMZN_TRACE_ID"] = trace_id
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)


def _flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, EnvironmentError, ValueError):
            continue


def _write(text):
    while text:
        text = text[os.write(1, text) :]


if __name__ == "__main__":
    main()
