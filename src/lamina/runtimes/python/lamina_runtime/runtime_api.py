"""A client of the Runtime API (2018-06-01) over one kept-alive connection.

``http.client`` would cost more than a whole trivial invocation, so this speaks the HTTP/1.1 that it needs itself. The
answer to an invocation and the request for the next one leave in one write, and come back in that order. The module
``_socket`` has all that is needed; ``socket`` on top of it would take milliseconds to import.
"""

from _socket import AF_INET, IPPROTO_TCP, SOCK_STREAM, TCP_NODELAY, socket

_RECEIVE = 65536
_MAX_HEAD = 1 << 20
_PATH = "/2018-06-01/runtime"
_LOST = (ConnectionResetError, BrokenPipeError, EOFError)


class RuntimeApiError(Exception):
    """The server answered what the Runtime API does not allow; the runtime cannot go on."""


class Invocation:
    """One event for the handler, as it came: ``payload`` is bytes, the headers are text."""

    __slots__ = ("_headers", "payload", "request_id")

    def __init__(self, headers, payload):
        self._headers = headers
        self.payload = payload
        self.request_id = headers["lambda-runtime-aws-request-id"]

    @property
    def trace_id(self):
        """The X-Ray trace header, or an empty string."""
        return self._headers.get("lambda-runtime-trace-id", "")

    @property
    def deadline_ms(self):
        """When the invocation times out, in milliseconds since 1970."""
        return int(self._headers.get("lambda-runtime-deadline-ms", 0))

    @property
    def function_arn(self):
        """The ARN by which the function was invoked."""
        return self._headers.get("lambda-runtime-invoked-function-arn", "")

    @property
    def client_context(self):
        """JSON of the client's context, or an empty string."""
        return self._headers.get("lambda-runtime-client-context", "")

    @property
    def cognito_identity(self):
        """JSON of the caller's Cognito identity, or an empty string."""
        return self._headers.get("lambda-runtime-cognito-identity", "")

    @property
    def tenant_id(self):
        """The tenant of a function with tenant isolation, or None."""
        return self._headers.get("lambda-runtime-aws-tenant-id")


class RuntimeApi:
    """The Runtime API at ``address``, which is ``host:port``."""

    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self._address = (host, int(port))
        self._host = address
        self._next = "GET {}/invocation/next HTTP/1.1\r\nHost: {}\r\n\r\n".format(_PATH, address).encode()
        self._socket = None
        self._received = b""

    def next(self):
        """Wait for the first invocation."""
        return _invocation(self._exchange([self._next])[0])

    def answer(self, request_id, body, error_type=None):
        """Send the result of an invocation, or its error when it has an ``error_type``, and wait for the next one."""
        what = "response" if error_type is None else "error"
        post = self._post("/invocation/{}/{}".format(request_id, what), body, error_type)
        return _invocation(self._exchange([post, self._next])[1])

    def fail_init(self, error_type, body):
        """Report that the function could not be initialised."""
        self._exchange([self._post("/init/error", body, error_type)])

    def wait_for_restore(self):
        """Tell that the process may be frozen, and wait until it has been thawed."""
        request = "GET {}/restore/next HTTP/1.1\r\nHost: {}\r\n\r\n".format(_PATH, self._host).encode()
        status = self._exchange([request])[0][0]
        if status != 200:
            raise RuntimeApiError("The server answered {} to the request to be restored.".format(status))

    def fail_restore(self, error_type, body):
        """Report that a hook after the restoring has failed."""
        self._exchange([self._post("/restore/error", body, error_type)])

    def _post(self, path, body, error_type):
        head = "POST {}{} HTTP/1.1\r\nHost: {}\r\n".format(_PATH, path, self._host)
        if error_type is None:
            head += "Content-Type: application/json\r\n"
        else:
            head += "Content-Type: application/vnd.aws.lambda.error+json\r\n"
            head += "Lambda-Runtime-Function-Error-Type: {}\r\n".format(_header_value(error_type))
        return "{}Content-Length: {}\r\n\r\n".format(head, len(body)).encode() + body

    def _exchange(self, requests):
        """The answers to the requests, in order. A server that has closed an old connection is asked once more."""
        answers = []
        fresh = self._socket is None
        while len(answers) < len(requests):
            try:
                if self._socket is None:
                    self._connect()
                self._socket.sendall(b"".join(requests[len(answers) :]))
                while len(answers) < len(requests):
                    answers.append(self._receive())
            except _LOST:
                self._disconnect()
                if fresh:
                    raise
                fresh = True
        return answers

    def _connect(self):
        self._socket = socket(AF_INET, SOCK_STREAM)
        self._socket.connect(self._address)
        self._socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)

    def _disconnect(self):
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._received = b""

    def _receive(self):
        """One answer: its status, its headers by lower-case name, and its body."""
        status, headers = _parse_head(self._receive_head())
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return status, headers, self._receive_chunks()
        return status, headers, self._receive_bytes(int(headers.get("content-length", 0)))

    def _receive_head(self):
        return self._receive_until(b"\r\n\r\n")

    def _receive_chunks(self):
        body = bytearray()
        while True:
            size = int(self._receive_until(b"\r\n").split(b";")[0], 16)
            if size == 0:
                break
            body += self._receive_bytes(size)
            self._receive_until(b"\r\n")
        while self._receive_until(b"\r\n"):
            pass
        return bytes(body)

    def _receive_until(self, mark):
        received = self._received
        end = received.find(mark)
        while end < 0:
            if len(received) > _MAX_HEAD:
                raise RuntimeApiError("The server sent a header without an end.")
            chunk = self._socket.recv(_RECEIVE)
            if not chunk:
                raise EOFError
            received += chunk
            end = received.find(mark)
        self._received = received[end + len(mark) :]
        return received[:end]

    def _receive_bytes(self, length):
        received = self._received
        if len(received) >= length:
            self._received = received[length:]
            return received[:length]
        body = bytearray(length)
        have = len(received)
        body[:have] = received
        self._received = b""
        with memoryview(body) as view:
            while have < length:
                count = self._socket.recv_into(view[have:])
                if count == 0:
                    raise EOFError
                have += count
        return body


def _parse_head(head):
    lines = head.decode("utf-8", "surrogateescape").split("\r\n")
    try:
        status = int(lines[0].split(" ", 2)[1])
    except (IndexError, ValueError):
        raise RuntimeApiError("The server sent no HTTP: {!r}".format(lines[0])) from None
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return status, headers


def _invocation(answer):
    status, headers, body = answer
    if status != 200:
        raise RuntimeApiError("The server answered {} to the request for an invocation.".format(status))
    return Invocation(headers, body)


def _header_value(text):
    return "".join(c if " " <= c <= "~" else "?" for c in text)
