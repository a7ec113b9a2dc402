"""Every name of the API's ``Runtime`` is accounted for: by the page about runtimes, and by ``Runtimes``."""

from __future__ import annotations

import re
from pathlib import Path

import botocore.session
import pytest

from lamina.functions._members import _ENDED
from lamina.runtimes import Runtimes, RuntimeUnavailable, SearchPath
from lamina.runtimes._provided import NAMES as OS_ONLY

PAGE = Path(__file__).parents[3] / "docs/runtimes.md"
NAMES = botocore.session.get_session().get_service_model("lambda").shape_for("Runtime").enum
ROW = re.compile(r"^\| `([^`]+)` \| (ended)? ?\| (.+) \|$", re.MULTILINE)


def test_the_page_names_each_once_and_no_other() -> None:
    assert sorted(name for name, _, _ in ROW.findall(PAGE.read_text())) == sorted(NAMES)


def test_the_page_tells_which_aws_has_ended() -> None:
    assert {name for name, ended, _ in ROW.findall(PAGE.read_text()) if ended} == _ENDED


@pytest.mark.parametrize("name", NAMES)
def test_each_is_known_whatever_this_machine_has(name: str) -> None:
    runtimes = Runtimes.discover()
    if name in runtimes.names:
        assert runtimes.resolve(name).name == name
    else:
        with pytest.raises(RuntimeUnavailable, match=r"looked for|the bootstrap needs Node\.js 16"):
            runtimes.resolve(name)


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(OS_ONLY)))
def test_each_says_what_was_looked_for_where_there_is_nothing(name: str, tmp_path: Path) -> None:
    with pytest.raises(RuntimeUnavailable) as refused:
        Runtimes.discover(SearchPath(programs=(tmp_path,))).resolve(name)
    needs_an_image = re.fullmatch(r"nodejs(|\d\..*|1[0-4]\.x)", name)
    assert ("the bootstrap needs Node.js 16" if needs_an_image else str(tmp_path)) in str(refused.value)
