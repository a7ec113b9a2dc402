from __future__ import annotations

import pytest

from lamina.http._model import ServiceModel


@pytest.fixture(scope="session")
def model() -> ServiceModel:
    return ServiceModel.load("lambda")
