"""Beyond the API of AWS: the history of a function's code, and the way back."""

from __future__ import annotations

from typing import Any

from lamina.deploy import StoredCode
from lamina.errors import InvalidParameterValueException, ResourceNotFoundException, ValidationException
from lamina.functions._history import Deployment, deployments_of
from lamina.functions._live import Call, FunctionKey
from lamina.functions._plane import Answer, Params, Plane, target_of
from lamina.functions._store import need_function
from lamina.functions._update import CodeUpdate
from lamina.state import Reader


async def list_deployments(plane: Plane, call: Call, params: Params) -> Answer:
    """ListDeployments of a FunctionName: the last one first.

    Each has Revision, Operation, Caller, Began and Ended (epoch milliseconds), From and To (CodeSha256), Source,
    CodeSize, Architecture, Outcome (Successful, Failed or InProgress) with its Reason, Steps (milliseconds by name),
    and for a package that is still kept a presigned Location.
    """
    key = _function(call, "ListDeployments", params)
    deployments = await plane.state.read(lambda reader: deployments_of(reader, need_function(reader, key)))
    return {"Deployments": [_answer(plane, call, key, each) for each in deployments]}


async def rollback_function(plane: Plane, call: Call, params: Params) -> Answer:
    """RollbackFunction: a new update of FunctionName with the code of an earlier Revision.

    Without a Revision it is the newest successful one whose code is not the one that the function has now. Answers as
    UpdateFunctionCode does, and takes its Publish, DryRun and RevisionId.
    """
    key = _function(call, "RollbackFunction", params)
    wanted = params.get("Revision")
    if wanted is not None and type(wanted) is not int:
        raise ValidationException("Revision must be a number.")
    deployment = await plane.state.read(lambda reader: _earlier(reader, key, wanted))
    code = deployment.code
    switches: dict[str, Any] = {name: params[name] for name in ("Publish", "DryRun", "RevisionId") if name in params}
    update = CodeUpdate(
        plane=plane,
        key=key,
        params={**switches, "Architectures": [code.architecture], "SourceKMSKeyArn": code.kms_key},
        caller=call.access_key_id,
        source=StoredCode(code),
        operation=f"Rollback to {deployment.revision}",
    )
    if switches.get("DryRun"):
        return await plane.deployments.rehearse(update)
    return await plane.deployments.deploy(update)


def _function(call: Call, operation: str, params: Params) -> FunctionKey:
    if not isinstance(params.get("FunctionName"), str):
        raise ValidationException("FunctionName is missing.")
    return target_of(call, operation, params).function


def _earlier(reader: Reader, key: FunctionKey, wanted: int | None) -> Deployment:
    function = need_function(reader, key)
    deployments = deployments_of(reader, function)
    for each in deployments:
        if wanted is None and each.outcome == "Successful" and each.code.code_sha256 != function.shown.code_sha256:
            return each
        if each.revision == wanted:
            return each
    if wanted is None:
        raise InvalidParameterValueException(f"{key.name} has no earlier code to go back to.")
    raise ResourceNotFoundException(f"Deployment not found: {key.arn} revision {wanted}")


def _answer(plane: Plane, call: Call, key: FunctionKey, deployment: Deployment) -> dict[str, Any]:
    code = deployment.code
    answer = {
        "Revision": deployment.revision,
        "Operation": deployment.operation,
        "Caller": deployment.caller,
        "Began": deployment.began_ms,
        "Ended": deployment.ended_ms,
        "From": deployment.from_sha256,
        "To": code.code_sha256,
        "Source": code.origin,
        "CodeSize": code.code_size,
        "Architecture": code.architecture,
        "Outcome": deployment.outcome or "InProgress",
        "Reason": deployment.reason,
        "Steps": dict(deployment.steps),
    }
    if code.package and code.reference is None:
        answer["Location"] = plane.locate(call, key, "", code.package)
    return answer
