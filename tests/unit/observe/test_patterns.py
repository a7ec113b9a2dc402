from __future__ import annotations

import pytest

from lamina.errors import InvalidParameterException
from lamina.observe._patterns import compile_pattern


@pytest.mark.parametrize(
    ("pattern", "message", "expected"),
    [
        ("ERROR", "an ERROR here", True),
        ("ERROR", "an error here", False),
        ("ERROR timeout", "timeout, then ERROR", True),
        ("ERROR timeout", "ERROR alone", False),
        ('"Task timed out"', "Task timed out after", True),
        ('"Task timed out"', "Task then timed out", False),
        (r'"say \"hi\""', 'he can say "hi"', True),
        ("?ERROR ?WARN", "a WARN", True),
        ("?ERROR ?WARN", "an INFO", False),
        ('?"two words" ?x', "has two words", True),
        ("ERROR -retry", "ERROR for good", True),
        ("ERROR -retry", "ERROR, will retry", False),
        ('-"START RequestId"', "START RequestId: 1", False),
        ("-START", "anything", True),
        ("?ERROR REQUEST", "REQUEST", True),  # AWS ignores the question marks beside other terms
        ("RequestId: 12-34", "RequestId: 12-34", True),
    ],
)
def test_messages_match(pattern: str, message: str, expected: bool) -> None:
    matches = compile_pattern(pattern)
    assert matches is not None
    assert matches(message) is expected


@pytest.mark.parametrize("pattern", ["", "   "])
def test_the_empty_pattern_matches_everything(pattern: str) -> None:
    assert compile_pattern(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("{ $.level = ERROR }", "JSON patterns"),
        ("[ip, user]", "column patterns"),
        ("%AUTH.*%", "regular expression patterns"),
        ('"open', "from character 1"),
        ('a "b"c', "from character 2"),
    ],
)
def test_other_patterns_are_refused(pattern: str, reason: str) -> None:
    with pytest.raises(InvalidParameterException, match=reason):
        compile_pattern(pattern)
