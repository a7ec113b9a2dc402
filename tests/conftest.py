"""What `make quick` leaves out, beside the tests that say so themselves."""

from __future__ import annotations

import pytest

_SLOW = {"acceptance", "security"}
_QUICK_AMONG_THEM = {"test_main_job.py"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that start services, or a launcher each, need minutes together: the main job stands for them."""
    for item in items:
        if item.path.parent.name in _SLOW and item.path.name not in _QUICK_AMONG_THEM:
            item.add_marker(pytest.mark.slow)
