from __future__ import annotations

import pytest

from lamina.errors import InvalidParameterValueException, ValidationException
from lamina.http._validation import validate

_REGION = r"(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}"
_NAME = (
    rf"(arn:(aws[a-zA-Z-]*)?:lambda:)?({_REGION}:)?(\d{{12}}:)?(function:)?([a-zA-Z0-9-_]+)"
    r"(:(\$LATEST|[a-zA-Z0-9-_]+))?"
)
_NAMESPACED = (
    rf"(arn:(aws[a-zA-Z-]*)?:lambda:)?({_REGION}:)?(\d{{12}}:)?(function:)?([a-zA-Z0-9-_\.]+)"
    r"(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)
_QUALIFIER = r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+"
_LAYER = (
    rf"(arn:(aws[a-zA-Z-]*)?:lambda:{_REGION}:\d{{12}}:layer:[a-zA-Z0-9-_]+:[0-9]+)"
    r"|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+)"
)
_RUNTIMES = (
    "nodejs20.x, python3.14, provided.al2023, python3.12, python3.13, nodejs24.x, nodejs22.x, java25, python3.10, "
    "python3.11, java21, ruby3.3, ruby3.4, ruby3.2, python3.8, python3.9, java17, nodejs16.x, dotnet10, dotnet8, "
    "java11, dotnet6, nodejs18.x, provided.al2, java8.al2"
)
_ROLE = "arn:aws:iam::123456789012:role/r"
_PATTERN = "Member must satisfy regular expression pattern: "
_FAILED = "failed to satisfy constraint: "
_ONE = "1 validation error detected: Value "
_CREATE = {"FunctionName": "f", "Role": _ROLE, "Code": {}}
_ALIAS = {"FunctionName": "f", "Name": "a", "FunctionVersion": "1"}
_LAYER_VERSION = {"LayerName": "l", "Content": {}}


def _weights(**weights):
    return {**_ALIAS, "RoutingConfig": {"AdditionalVersionWeights": weights}}


def _weights_error(shown, constraint):
    return f"{_ONE}'{shown}' at 'routingConfig.additionalVersionWeights' {_FAILED}{constraint}"


def _elements(*constraints):
    return f"Member must satisfy constraint: [{', '.join(constraints)}]"


_NOT_NULL = "Member must not be null"
_ARCHITECTURES = _elements("Member must satisfy enum value set: [x86_64, arm64]", _NOT_NULL)
_UP_TO_1024 = (
    "Member must have length less than or equal to 1024",
    "Member must have length greater than or equal to 0",
)
_LONG = "Member must have length less than or equal to "
_WEIGHT = (
    "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, "
    "Member must have value greater than or equal to 0.0, Member must not be null]"
)

RECORDED = [
    ("Invoke", {"FunctionName": "a:b:c"}, f"{_ONE}'a:b:c' at 'functionName' {_FAILED}{_PATTERN}{_NAMESPACED}"),
    (
        "CreateFunction",
        {**_CREATE, "FunctionName": "invalid:function:name"},
        f"{_ONE}'invalid:function:name' at 'functionName' {_FAILED}{_PATTERN}{_NAME}",
    ),
    (
        "CreateFunction",
        {**_CREATE, "FunctionName": "function:" + "a" * 140},
        f"{_ONE}'function:{'a' * 140}' at 'functionName' {_FAILED}{_LONG}140",
    ),
    (
        "GetFunction",
        {"FunctionName": "f", "Qualifier": "q" * 129},
        f"{_ONE}'{'q' * 129}' at 'qualifier' {_FAILED}{_LONG}128",
    ),
    (
        "GetFunction",
        {"FunctionName": "f!", "Qualifier": "?"},
        f"2 validation errors detected: Value '?' at 'qualifier' {_FAILED}{_PATTERN}{_QUALIFIER}; "
        f"Value 'f!' at 'functionName' {_FAILED}{_PATTERN}{_NAMESPACED}",
    ),
    (
        "CreateFunctionUrlConfig",
        {"FunctionName": "f", "Qualifier": "1", "AuthType": "NONE"},
        f"{_ONE}'1' at 'qualifier' {_FAILED}{_PATTERN}" + r"((?!^\d+$)^[0-9a-zA-Z-_]+$)",
    ),
    (
        "CreateFunctionUrlConfig",
        {"FunctionName": "f", "AuthType": "NONE", "InvokeMode": "UNKNOWN"},
        f"{_ONE}'UNKNOWN' at 'invokeMode' {_FAILED}Member must satisfy enum value set: [RESPONSE_STREAM, BUFFERED]",
    ),
    (
        "CreateFunction",
        {**_CREATE, "Role": "r1"},
        f"{_ONE}'r1' at 'role' {_FAILED}{_PATTERN}" + r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+",
    ),
    (
        "CreateFunction",
        {**_CREATE, "Architectures": ["x86_64", "arm64"]},
        f"{_ONE}'[x86_64, arm64]' at 'architectures' {_FAILED}{_LONG}1",
    ),
    (
        "UpdateFunctionCode",
        {"FunctionName": "f", "Architectures": ["X86_64"]},
        f"{_ONE}'[X86_64]' at 'architectures' {_FAILED}{_ARCHITECTURES}",
    ),
    (
        "CreateFunction",
        {**_CREATE, "SnapStart": {"ApplyOn": "invalidOption"}},
        f"{_ONE}'invalidOption' at 'snapStart.applyOn' {_FAILED}"
        "Member must satisfy enum value set: [PublishedVersions, None]",
    ),
    (
        "CreateFunction",
        {**_CREATE, "VpcConfig": {"SubnetIds": ["bad"]}},
        f"{_ONE}'[bad]' at 'vpcConfig.subnetIds' {_FAILED}{_elements(*_UP_TO_1024, _PATTERN + 'subnet-[0-9a-z]*')}",
    ),
    (
        "CreateFunction",
        {**_CREATE, "VpcConfig": {"SecurityGroupIds": ["bad"]}},
        f"{_ONE}'[bad]' at 'vpcConfig.securityGroupIds' {_FAILED}"
        f"{_elements(*_UP_TO_1024, _PATTERN + 'sg-[0-9a-zA-Z]*')}",
    ),
    (
        "CreateFunction",
        {**_CREATE, "Layers": ["bad"]},
        f"{_ONE}'[bad]' at 'layers' {_FAILED}"
        + _elements(
            "Member must have length less than or equal to 2048",
            "Member must have length greater than or equal to 1",
            _PATTERN + _LAYER,
            _NOT_NULL,
        ),
    ),
    (
        "CreateFunction",
        {**_CREATE, "EphemeralStorage": {"Size": 10241}},
        f"{_ONE}'10241' at 'ephemeralStorage.size' {_FAILED}Member must have value less than or equal to 10240",
    ),
    (
        "CreateFunction",
        {**_CREATE, "Timeout": 901},
        f"{_ONE}'901' at 'timeout' {_FAILED}Member must have value less than or equal to 900",
    ),
    (
        "CreateFunction",
        {**_CREATE, "Environment": {"Variables": {"1A": "secret"}}},
        f"1 validation error detected: Value at 'environment.variables' {_FAILED}"
        f"Map keys must satisfy constraint: [{_PATTERN}[a-zA-Z]([a-zA-Z0-9_])+]",
    ),
    (
        "CreateAlias",
        {**_ALIAS, "Name": "2024"},
        f"{_ONE}'2024' at 'name' {_FAILED}{_PATTERN}(?!^[0-9]+$)([a-zA-Z0-9-_]+)",
    ),
    ("CreateAlias", _weights(**{"2": 2.0}), _weights_error("{2=2.0}", _WEIGHT)),
    ("CreateAlias", _weights(**{"2": -1.0}), _weights_error("{2=-1.0}", _WEIGHT)),
    (
        "CreateAlias",
        _weights(**{"$LATEST": 0.5}),
        _weights_error(
            "{$LATEST=0.5}",
            "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, "
            f"Member must have length greater than or equal to 1, {_PATTERN}[0-9]+]",
        ),
    ),
    (
        "PutFunctionRecursionConfig",
        {"FunctionName": "f", "RecursiveLoop": "InvalidValue"},
        f"{_ONE}'InvalidValue' at 'recursiveLoop' {_FAILED}Member must satisfy enum value set: [Terminate, Allow]",
    ),
    (
        "PutProvisionedConcurrencyConfig",
        {"FunctionName": "f", "Qualifier": "1", "ProvisionedConcurrentExecutions": 0},
        f"{_ONE}'0' at 'provisionedConcurrentExecutions' {_FAILED}Member must have value greater than or equal to 1",
    ),
    (
        "ListFunctions",
        {"FunctionVersion": "invalid"},
        f"{_ONE}'invalid' at 'functionVersion' {_FAILED}Member must satisfy enum value set: [ALL]",
    ),
    (
        "AddPermission",
        {"FunctionName": "f", "StatementId": "example.com", "Action": "lambda:*", "Principal": "*"},
        f"{_ONE}'example.com' at 'statementId' {_FAILED}{_PATTERN}([a-zA-Z0-9-_]+)",
    ),
    (
        "UntagResource",
        {"Resource": "arn:aws:lambda:us-east-1:123456789012:function:f"},
        f"{_ONE}null at 'tagKeys' {_FAILED}Member must not be null",
    ),
    (
        "PublishLayerVersion",
        {**_LAYER_VERSION, "CompatibleRuntimes": ["bad", "nodejs20.x"], "CompatibleArchitectures": ["bad", "x86_64"]},
        f"2 validation errors detected: Value '[bad, nodejs20.x]' at 'compatibleRuntimes' {_FAILED}"
        f"Member must satisfy enum value set: [{_RUNTIMES}]; "
        f"Value '[bad, x86_64]' at 'compatibleArchitectures' {_FAILED}{_ARCHITECTURES}",
    ),
]


@pytest.mark.parametrize(("operation", "params", "message"), RECORDED)
def test_says_what_the_service_was_recorded_to_say(model, operation, params, message):
    with pytest.raises(ValidationException) as caught:
        validate(model.operations[operation], params)
    assert caught.value.message == message


def test_prints_the_recorded_pattern_of_a_resource(model):
    with pytest.raises(ValidationException) as caught:
        validate(model.operations["ListTags"], {"Resource": "arn:aws:something"})
    assert "|layer:([a-zA-Z0-9-_]+)|code-signing-config:csc-[a-z0-9]{17}|" in caught.value.message
    assert caught.value.message.endswith("|capacity-provider:[a-zA-Z0-9-_]+)")


@pytest.mark.parametrize("length", [65, 200])
def test_a_long_plain_name_is_an_invalid_parameter_of_create_function(model, length):
    with pytest.raises(InvalidParameterValueException) as caught:
        validate(model.operations["CreateFunction"], {**_CREATE, "FunctionName": "a" * length})
    assert caught.value.message == f"{_ONE}'{'a' * length}' at 'functionName' {_FAILED}{_LONG}64"


def test_a_long_name_with_a_wrong_character_has_two_errors_length_first(model):
    name = "arn:aws:lambda:bad:function:" + "a" * 140
    with pytest.raises(ValidationException) as caught:
        validate(model.operations["CreateFunction"], {**_CREATE, "FunctionName": name})
    assert caught.value.message == (
        f"2 validation errors detected: Value '{name}' at 'functionName' {_FAILED}{_LONG}140; "
        f"Value '{name}' at 'functionName' {_FAILED}{_PATTERN}{_NAME}"
    )


@pytest.mark.parametrize("name", ["GetFunction", "Invoke", "DeleteFunction"])
def test_no_name_is_too_long_where_a_function_is_looked_up(model, name):
    validate(model.operations[name], {"FunctionName": "a" * 300})


@pytest.mark.parametrize("runtime", ["non-existent-runtime", "PYTHON3.9", ""])
def test_an_unknown_runtime_is_an_invalid_parameter(model, runtime):
    with pytest.raises(InvalidParameterValueException) as caught:
        validate(model.operations["UpdateFunctionConfiguration"], {"FunctionName": "f", "Runtime": runtime})
    assert caught.value.message == (
        f"Value {runtime} at 'runtime' {_FAILED}Member must satisfy enum value set: [{_RUNTIMES}] or be a valid ARN"
    )


def test_other_errors_come_before_that_of_the_runtime(model):
    with pytest.raises(ValidationException, match=r"^1 validation error detected: Value 'r1' at 'role'"):
        validate(model.operations["CreateFunction"], {**_CREATE, "Role": "r1", "Runtime": "x"})


@pytest.mark.parametrize("runtime", ["python3.13", "java8", "go1.x", "python2.7"])
def test_runtimes_of_the_model_pass_deprecated_ones_too(model, runtime):
    validate(model.operations["CreateFunction"], {**_CREATE, "Runtime": runtime})


def test_names_the_members_of_structures_in_lists(model):
    configs = [{"Arn": "x"}]
    with pytest.raises(ValidationException) as caught:
        validate(model.operations["CreateFunction"], {**_CREATE, "FileSystemConfigs": configs})
    assert "Value 'x' at 'fileSystemConfigs.1.member.arn'" in caught.value.message
    assert "Value null at 'fileSystemConfigs.1.member.localMountPath'" in caught.value.message


def test_null_in_a_list_or_a_map_is_an_error(model):
    params = {**_CREATE, "ImageConfig": {"Command": ["a", None]}, "Environment": {"Variables": {"AB": None}}}
    with pytest.raises(ValidationException) as caught:
        validate(model.operations["CreateFunction"], params)
    assert "Map value must satisfy constraint: [Member must not be null]" in caught.value.message
    assert "Value '[a, null]' at 'imageConfig.command'" in caught.value.message


def test_all_that_is_required_and_absent_is_reported(model):
    with pytest.raises(ValidationException) as caught:
        validate(model.operations["CreateFunction"], {})
    assert caught.value.message == (
        f"3 validation errors detected: Value null at 'functionName' {_FAILED}Member must not be null; "
        f"Value null at 'role' {_FAILED}Member must not be null; Value null at 'code' {_FAILED}Member must not be null"
    )


def test_a_correct_request_passes(model):
    params = {
        **_CREATE,
        "Code": {"ZipFile": b"zip"},
        "Runtime": "python3.13",
        "Handler": "m.h",
        "Timeout": 900,
        "MemorySize": 10240,
        "Tags": {"Größe": "東京 1"},
        "Environment": {"Variables": {"AB": ""}},
        "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": ["sg-1"]},
        "DeadLetterConfig": {"TargetArn": ""},
    }

    validate(model.operations["CreateFunction"], params)
