"""The runtime hooks of SnapStart (Lambda Developer Guide, "Implement code before or after Lambda function snapshots").

A function registers what is to run before it is frozen and after it has been thawed; with arguments, or as a decorator.
"""

_before_snapshot = []
_after_restore = []


def register_before_snapshot(func, *args, **kwargs):
    """Call ``func(*args, **kwargs)`` at the end of the initialisation; the one registered last is called first."""
    _before_snapshot.append((func, args, kwargs))
    return func


def register_after_restore(func, *args, **kwargs):
    """Call ``func(*args, **kwargs)`` before the first invocation; the one registered first is called first."""
    _after_restore.append((func, args, kwargs))
    return func


def get_before_snapshot():
    """The registered (function, arguments, keyword arguments) in the order of their registration."""
    return _before_snapshot


def get_after_restore():
    """The registered (function, arguments, keyword arguments) in the order of their registration."""
    return _after_restore
