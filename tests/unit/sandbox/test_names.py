from __future__ import annotations

import pytest

from lamina.sandbox._names import renamed, rewrite

NAMES = {"/var/task": "/home/1/var/task", "/opt": "/home/1/opt", "127.0.0.1:9001": "127.0.0.1:4711"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/var/task", "/home/1/var/task"),
        ("/var/task/lib:/opt/lib", "/home/1/var/task/lib:/home/1/opt/lib"),
        ('{"LAMBDA_TASK_ROOT":"/var/task"}', '{"LAMBDA_TASK_ROOT":"/home/1/var/task"}'),
        ("127.0.0.1:9001", "127.0.0.1:4711"),
        ("/opt2 /usr/opt /var/tasks /var/task.old", "/opt2 /usr/opt /var/tasks /var/task.old"),
    ],
)
def test_whole_names_are_rewritten_and_parts_of_others_are_not(text: str, expected: str) -> None:
    assert rewrite(text, NAMES) == expected


def test_values_are_rewritten_wherever_they_are_and_keys_are_not() -> None:
    order = {"argv": ["/opt/run"], "environment": {"/opt": "/opt"}, "limits": {"memory_mb": 1}}
    assert renamed(order, NAMES) == {
        "argv": ["/home/1/opt/run"],
        "environment": {"/opt": "/home/1/opt"},
        "limits": {"memory_mb": 1},
    }
