"""SnapStart inside the runtime: the hooks of the function around the time that it stands frozen."""

import sys

from lamina_runtime import logs
from lamina_runtime.faults import fault_of

_INITIALISATION = "AWS_LAMBDA_INITIALIZATION_TYPE"
_HOOKS = "snapshot_restore_py"


def stand_still(environment, api, log, marshal):
    """Run the hooks on both sides of ``restore/next``, where an environment of SnapStart is frozen.

    A hook that fails is reported, and then the process ends with status 1.
    """
    if environment.get(_INITIALISATION) != "snap-start":
        return
    _run(reversed(_registered("get_before_snapshot")), "Runtime.BeforeSnapshotError", api.fail_init, log, marshal)
    logs.flush()
    api.wait_for_restore()
    _run(_registered("get_after_restore"), "Runtime.AfterRestoreError", api.fail_restore, log, marshal)
    logs.flush()


def _registered(name):
    # A function that has not imported the module has no hooks.
    registered = getattr(sys.modules.get(_HOOKS), name, None)
    return list(registered()) if registered else []


def _run(hooks, error_type, report, log, marshal):
    try:
        for hook, arguments, keywords in hooks:
            hook(*arguments, **keywords)
    except Exception as exception:
        fault = fault_of(exception)
        log.fault(fault, "")
        report(error_type, marshal.error(fault.payload("")))
        sys.exit(1)
