"""How a process that only knows its language becomes the process of one function."""

import importlib
import json
import os
import sys
import time

_CONTROL = 3
_RUNTIME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_SDK = os.path.join(os.path.dirname(_RUNTIME), "sdk")


def wait():
    """Read the control pipe to its end and take the environment of the function from it.

    While the process waits nothing of the function exists for it: neither its variables nor its code.
    """
    missing = _missing_library_directories()
    _warm_up()
    message = json.loads(_read_to_end(_CONTROL).decode("utf-8"))
    os.close(_CONTROL)
    os.environ.clear()
    os.environ.update(message["environment"])
    time.tzset()
    if any(os.path.isdir(directory) for directory in missing):
        # The dynamic linker has noted that these directories do not exist and would never look again.
        os.execve(sys.executable, [sys.executable, "-S", os.path.join(_RUNTIME, "bootstrap.py")], os.environ)


def enter_task_root():
    """Go to the function's code and put it, and what layers bring, first on ``sys.path`` in AWS's order."""
    root = os.environ.get("LAMBDA_TASK_ROOT", "/var/task")
    os.chdir(root)
    layers = os.environ.pop("LAMINA_LAYERS_ROOT", "/opt")
    chosen = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    # A function that sets PYTHONPATH itself has chosen for itself where layers put packages.
    added = [root] + (_layer_directories(layers) if chosen in ([""], [_RUNTIME]) else [])
    rest = [entry for entry in sys.path if entry not in added and entry != _RUNTIME]
    before = [entry for entry in rest if entry in chosen]
    after = [entry for entry in rest if entry not in chosen]
    sys.path[:] = added + before + [_RUNTIME, _SDK] + after
    # importlib.invalidate_caches() would import importlib.metadata, which takes longer than all the rest.
    for directory in added:
        sys.path_importer_cache.pop(directory, None)
    _add_path_files(added)


def _layer_directories(layers):
    packages = "{}/python/lib/python{}.{}/site-packages".format(layers, *sys.version_info[:2])
    return [packages, layers + "/python"]


def _add_path_files(directories):
    """Obey ``.pth`` files; the ``site`` module is imported only when there is one."""
    for directory in directories:
        if os.path.isdir(directory) and any(name.endswith(".pth") for name in os.listdir(directory)):
            import site

            site.addsitedir(directory, set(sys.path))


def _missing_library_directories():
    directories = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    return [directory for directory in directories if directory and not os.path.isdir(directory)]


def _warm_up():
    """Import what nearly every function is going to import."""
    importlib.import_module("socket")
    importlib.import_module("datetime")


def _read_to_end(descriptor):
    chunks = []
    while True:
        chunk = os.read(descriptor, 65536)
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)
