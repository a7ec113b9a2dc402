from __future__ import annotations

import pytest

from lamina.http._model import Shape
from lamina.http._printing import printed

_DOUBLE = Shape(name="Double", kind="double")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.0, "2.0"),
        (-0.5, "-0.5"),
        (0.0, "0.0"),
        (0.001, "0.001"),
        (0.0005, "5.0E-4"),
        (1e-05, "1.0E-5"),
        (12345678.0, "1.2345678E7"),
        (1.5e300, "1.5E300"),
    ],
)
def test_prints_doubles_as_java_does(value, text):
    assert printed(_DOUBLE, value) == text


def test_prints_structures_with_all_their_members(model):
    shape = model.operations["PutFunctionEventInvokeConfig"].input.shape.members["DestinationConfig"].shape

    text = printed(shape, {"OnSuccess": {"Destination": "arn"}})

    assert text == "DestinationConfig(onSuccess=OnSuccess(destination=arn), onFailure=null)"


def test_never_prints_what_is_sensitive(model):
    code = model.operations["CreateFunction"].input.shape.members["Code"].shape

    assert "secret" not in printed(code, {"ZipFile": b"secret", "S3Key": "k"})


def test_prints_booleans_in_lower_case():
    assert printed(Shape(name="Boolean", kind="boolean"), True) == "true"
