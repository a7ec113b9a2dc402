"""The Python runtime: what runs in an execution environment of a ``python3.x`` function.

It needs nothing but the standard library and keeps to the syntax of Python 3.6. As ``/var/runtime/bootstrap.py`` it is
the program of the environment; a template process may also import it, fork, and call ``main()`` in the child.
"""

import os
import sys

from lamina_runtime import handlers, logs, snapshots, specialise
from lamina_runtime.faults import Fault, fault_of
from lamina_runtime.invocation import Context, function_of, payload_of
from lamina_runtime.marshal import Marshaller
from lamina_runtime.runtime_api import RuntimeApi


def main():
    """Become the function of the environment and serve its invocations until the process ends."""
    logs.open_streams()
    if os.environ.get("LAMINA_GENERIC") == "1":
        specialise.wait()
    log = logs.configure(os.environ)
    api = RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    marshal = Marshaller(unicode=sys.version_info >= (3, 12))
    specialise.enter_task_root()
    handler = _initialise(os.environ.get("_HANDLER", ""), api, log, marshal)
    snapshots.stand_still(os.environ, api, log, marshal)
    _serve(handler, api, log, marshal)


def _initialise(name, api, log, marshal):
    """The handler function. An error on the way is reported, and then the process ends with status 1, as on AWS."""
    try:
        return handlers.load(name)
    except Fault as fault:
        error = fault
    except Exception as exception:
        error = fault_of(exception)
    log.fault(error, "")
    api.fail_init(error.error_type, marshal.error(error.payload("")))
    sys.exit(1)


def _serve(handler, api, log, marshal):
    function = function_of(os.environ)
    invocation = api.next()
    while True:
        request_id = invocation.request_id
        log.begin(request_id, invocation.tenant_id)
        _trace(invocation.trace_id)
        error_type = None
        try:
            body = marshal.result(handler(payload_of(invocation), Context(invocation, function)))
        except Fault as fault:
            error_type, body = _failed(fault, request_id, log, marshal)
        except Exception as exception:
            error_type, body = _failed(fault_of(exception), request_id, log, marshal)
        logs.flush()
        invocation = api.answer(request_id, body, error_type)


def _failed(fault, request_id, log, marshal):
    log.fault(fault, request_id)
    return fault.error_type, marshal.error(fault.payload(request_id))


def _trace(trace_id):
    if trace_id:
        os.environ["_X_AMZN_TRACE_ID"] = trace_id
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)


if __name__ == "__main__":
    main()
