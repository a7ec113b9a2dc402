from __future__ import annotations

import botocore.loaders
import pytest
from botocore.exceptions import UnknownServiceError

from lamina.http._model import ServiceModel
from lamina.http._recorded import RECORDED


def test_has_every_operation_that_botocore_has(model):
    document = botocore.loaders.Loader().load_service_model("lambda", "service-2")

    assert set(model.operations) == set(document["operations"])


def test_knows_route_and_status_of_an_operation(model):
    operation = model.operations["CreateFunction"]

    assert (operation.method, operation.path, operation.status) == ("POST", "/2015-03-31/functions", 201)


def test_takes_the_fixed_part_of_a_query_from_the_path(model):
    operation = model.operations["GetLayerVersionByArn"]

    assert (operation.path, operation.fixed_query) == ("/2018-10-31/layers", {("find", "LayerVersion")})


def test_sorts_members_by_where_they_travel(model):
    layout = model.operations["Invoke"].input

    assert set(layout.uri) == {"FunctionName"}
    assert set(layout.query) == {"Qualifier"}
    assert layout.headers[b"x-amz-log-type"].name == "LogType"
    assert layout.payload is not None
    assert layout.payload.name == "Payload"
    assert not layout.body


def test_an_operation_without_input_has_an_empty_layout(model):
    assert not model.operations["GetAccountSettings"].input.shape.members


def test_knows_which_answers_are_streams(model):
    assert [name for name, operation in model.operations.items() if operation.streams] == ["InvokeWithResponseStream"]


@pytest.mark.parametrize(
    ("code", "status", "message_key", "fault"),
    [
        ("ResourceNotFoundException", 404, "Message", "User"),
        ("InvalidParameterValueException", 400, "message", "User"),
        ("ServiceException", 500, "Message", "Service"),
        ("ResourceNotReadyException", 502, "message", "Service"),
    ],
)
def test_knows_how_errors_look(model, code, status, message_key, fault):
    error = model.errors[code]

    assert (error.status, error.message_key, error.fault) == (status, message_key, fault)


def test_a_recorded_fact_replaces_that_of_the_model(model):
    timeout = model.operations["CreateFunction"].input.shape.members["Timeout"].shape

    assert timeout.maximum == 900


def test_a_recorded_fact_of_one_member_leaves_the_others_alone(model):
    listed = model.operations["ListLayers"].input.shape.members["CompatibleRuntime"].shape
    created = model.operations["CreateFunction"].input.shape.members["Runtime"].shape

    assert "nasa" in listed.enum
    assert "nasa" not in created.enum


def test_every_recorded_fact_is_of_a_shape_that_exists():
    shapes = botocore.loaders.Loader().load_service_model("lambda", "service-2")["shapes"]
    names = set(shapes) | {f"{name}.{member}" for name, shape in shapes.items() for member in shape.get("members", ())}

    assert set(RECORDED["lambda"]) <= names


def test_reads_a_model_whose_shapes_contain_themselves():
    value = ServiceModel.load("dynamodb").operations["PutItem"].input.shape.members["Item"].shape.element

    assert value is not None
    assert value.members["L"].shape.element is value


def test_an_unknown_service_is_botocores_error():
    with pytest.raises(UnknownServiceError):
        ServiceModel.load("no-such-service")
