"""What the documents say of the code is so."""

from __future__ import annotations

import re
from pathlib import Path

import botocore.session
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


@pytest.mark.parametrize(
    "document",
    ["README.md", "SPECIFICATION.md", "docs/architecture.md", "docs/operations.md", "docs/update-function-code.md"],
)
def test_links_lead_somewhere(document: str) -> None:
    place = ROOT / document
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", place.read_text())
    assert [target for target in targets if not (place.parent / target).exists()] == []


UPDATE = ROOT / "docs/update-function-code.md"


def test_every_row_of_the_update_names_tests_that_exist() -> None:
    text = UPDATE.read_text()
    files = [UPDATE.parent / target for target in re.findall(r"\]\((\S+\.py)\)", text)]
    written = {name for file in files for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)}
    rows = [row for row in re.findall(r"^\| (.+) \|$", text, re.MULTILINE) if not row.endswith("| test")]
    assert len(rows) > 40
    assert [row for row in rows if not re.search(r"\| (`test_\w+`(, )?)+$", row)] == []
    named = set(re.findall(r"`(test_\w+)`", text))
    assert (named - written, written - named) == (set(), set())


def test_every_member_and_error_of_the_update_is_in_its_document() -> None:
    operation = botocore.session.get_session().get_service_model("lambda").operation_model("UpdateFunctionCode")
    members = {*operation.input_shape.members, *operation.output_shape.members}
    errors = {shape.name for shape in operation.error_shapes}
    assert members | errors <= set(re.findall(r"`(\w+)`", UPDATE.read_text()))
