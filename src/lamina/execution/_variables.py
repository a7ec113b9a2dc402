"""The environment variables of a function (Lambda Developer Guide, "Defined runtime environment variables")."""

from __future__ import annotations

from collections.abc import Mapping

from lamina.execution._surroundings import Surroundings
from lamina.functions import LiveVersion
from lamina.runtimes import Runtime
from lamina.sandbox import Companions

# They act when the interpreter starts, so a process that is already running cannot honour them.
_ACT_AT_START = ("PYTHON", "LD_", "MALLOC_", "NODE_", "UV_THREADPOOL_SIZE", "RUBY", "AWS_LAMBDA_EXEC_WRAPPER")
_ACT_LATER = frozenset({"NODE_ENV", "NODE_PATH"})

# Where an isolated sandbox has the Runtime API; the launcher renames it where there is no isolation.
RUNTIME_API = "127.0.0.1:9001"
_NOT_FOR_EXTENSIONS = frozenset(
    {
        "_HANDLER",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_XRAY_CONTEXT_MISSING",
        "AWS_XRAY_DAEMON_ADDRESS",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)
# For an image that sets none: what container engines take then.
_IMAGE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def needs_fresh_process(variables: Mapping[str, str]) -> bool:
    """Whether the function's own variables must be there when the interpreter starts."""
    return any(name.startswith(_ACT_AT_START) and name not in _ACT_LATER for name in variables)


def image_environment(
    live: LiveVersion,
    of_image: Mapping[str, str],
    handler: str,
    log_stream: str,
    surroundings: Surroundings,
) -> dict[str, str]:
    """All variables of an image function's environment: the image's, under the function's, under the reserved ones."""
    variables = {"TZ": ":UTC", "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR", "PATH": _IMAGE_PATH}
    variables.update(surroundings.defaults)
    variables.update(of_image)
    variables.update(live.variables)
    variables.update(_reserved(live, RUNTIME_API, log_stream))
    variables.update(surroundings.credentials(live))
    variables["_HANDLER"] = handler
    variables.update(_logging(live))
    return variables


def environment(
    live: LiveVersion, runtime: Runtime, runtime_api: str, log_stream: str, surroundings: Surroundings
) -> dict[str, str]:
    """All variables of an environment; a function's own never hide the reserved ones (refused at creation)."""
    variables = _defaults() | surroundings.defaults
    variables.update(runtime.environment)
    variables.update(live.variables)
    variables.update(_reserved(live, runtime_api, log_stream))
    variables.update(surroundings.credentials(live))
    if not live.runtime.startswith(("provided", "custom")):
        variables["AWS_EXECUTION_ENV"] = f"AWS_Lambda_{live.runtime}"
    variables.update(_logging(live))
    return variables


def companions(variables: Mapping[str, str]) -> Companions:
    """Where the external extensions of an environment are, and what of its variables they get."""
    environment = {name: value for name, value in variables.items() if name not in _NOT_FOR_EXTENSIONS}
    return Companions(directory="/opt/extensions", environment=environment)


def _logging(live: LiveVersion) -> dict[str, str]:
    if live.log_format != "JSON":
        return {}
    return {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": live.log_level}


def _defaults() -> dict[str, str]:
    return {
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:"
        "/var/task:/var/task/lib:/opt/lib",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
    }


def _reserved(live: LiveVersion, runtime_api: str, log_stream: str) -> dict[str, str]:
    return {
        "_HANDLER": live.handler,
        "AWS_REGION": live.key.region,
        "AWS_DEFAULT_REGION": live.key.region,
        "AWS_LAMBDA_FUNCTION_NAME": live.key.name,
        "AWS_LAMBDA_FUNCTION_VERSION": live.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(live.memory_size),
        "AWS_LAMBDA_INITIALIZATION_TYPE": live.initialization,
        "AWS_LAMBDA_LOG_GROUP_NAME": live.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "LAMBDA_TASK_ROOT": "/var/task",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
    }
