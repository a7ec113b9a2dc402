"""Errors of a function in the form in which AWS reports them."""

import os
import traceback

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


class Fault(Exception):
    """An error to report: its type, its message, and the lines of its stack trace."""

    def __init__(self, error_type, message, stack_trace=()):
        super().__init__(message)
        self.error_type = error_type
        self.message = message
        self.stack_trace = list(stack_trace)

    def payload(self, request_id):
        """The recorded error payload; its order of keys is AWS's."""
        return {
            "errorMessage": self.message,
            "errorType": self.error_type,
            "requestId": request_id,
            "stackTrace": self.stack_trace,
        }


def fault_of(exception):
    """The fault for an exception of the function's code. The stack trace leaves out the bootstrap's own frames."""
    return Fault(type(exception).__name__, _text(exception), stack_trace(exception.__traceback__))


def stack_trace(trace):
    """One string a frame, each with the source line where there is one, outermost first."""
    frames = traceback.extract_tb(trace)
    while frames and frames[0].filename.startswith(_HERE):
        del frames[0]
    return [_frame(frame) for frame in frames]


def _frame(frame):
    text = '  File "{}", line {}, in {}\n'.format(frame.filename, frame.lineno, frame.name)
    return text + "    {}\n".format(frame.line.strip()) if frame.line else text


def _text(exception):
    try:
        return str(exception)
    except Exception as error:
        return "<str() of the exception failed: {}>".format(type(error).__name__)
