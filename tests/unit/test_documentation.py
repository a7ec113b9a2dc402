"""What the documents say of the code is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lamina import settings
from lamina.functions import _functions
from lamina.observe import LogsApi, LogStore

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("name", "default"), [(name, default) for name, _, default in settings.options()])
def test_the_table_of_settings(name: str, default: object) -> None:
    shown = f"{default:g}" if isinstance(default, float) else settings.shown(name, default)
    assert f"| `{name}` | `{shown}` |" in (ROOT / "README.md").read_text()


def test_no_setting_is_documented_that_does_not_exist() -> None:
    names = re.findall(r"^\| `(\w+)` \| `", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert set(names) == {name for name, _, _ in settings.options()}


@pytest.mark.parametrize("document", ["README.md", "docs/operations.md"])
def test_every_operation_is_documented(document: str, tmp_path: Path) -> None:
    store = LogStore(tmp_path)
    built = {*_functions._OPERATIONS, *LogsApi(store).operations()}
    store.close()
    assert built <= set(re.findall(r"\w+", (ROOT / document).read_text()))


@pytest.mark.parametrize("document", ["README.md", "SPECIFICATION.md", "docs/architecture.md", "docs/operations.md"])
def test_links_lead_somewhere(document: str) -> None:
    place = ROOT / document
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", place.read_text())
    assert [target for target in targets if not (place.parent / target).exists()] == []
