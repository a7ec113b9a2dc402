"""The service's own log lines, in both formats."""

from __future__ import annotations

import json
from dataclasses import replace

from lamina.execution._lines import JsonLines, Report, TextLines, lines_of

from .conftest import live_version

REPORT = Report(request_id="r1", duration_ms=1.234, init_ms=None, max_memory_mb=36)
JSON = replace(live_version(), log_format="JSON")


def test_text() -> None:
    lines = lines_of(live_version())
    assert isinstance(lines, TextLines)
    assert lines.start("r1") == b"START RequestId: r1 Version: $LATEST\n"
    assert lines.report(REPORT) == (
        b"END RequestId: r1\n"
        b"REPORT RequestId: r1\tDuration: 1.23 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\t"
        b"Max Memory Used: 36 MB\t\n"
    )


def test_a_cold_start_is_billed_and_shown() -> None:
    line = TextLines(live_version()).report(REPORT._replace(init_ms=110.1))
    assert b"\tBilled Duration: 112 ms\t" in line
    assert line.endswith(b"\tInit Duration: 110.10 ms\t\n")


def test_init_start_names_the_runtime() -> None:
    line = TextLines(live_version()).init_start("python:3.12.v1")
    assert line.startswith(
        b"INIT_START Runtime Version: python:3.12.v1\tRuntime Version ARN: arn:aws:lambda:us-east-1::"
    )


def test_a_failure_has_its_status() -> None:
    line = TextLines(live_version()).report(REPORT._replace(status="error", error_type="Runtime.ExitError"))
    assert line.endswith(b"\tStatus: error\tError Type: Runtime.ExitError\t\n")


def test_json() -> None:
    lines = lines_of(JSON)
    start = json.loads(lines.start("r1") or b"")
    assert (start["type"], start["record"]) == ("platform.start", {"requestId": "r1", "version": "$LATEST"})
    report = json.loads(lines.report(REPORT._replace(init_ms=10.0)) or b"")
    assert report["record"]["metrics"] == {
        "durationMs": 1.234,
        "billedDurationMs": 12,
        "memorySizeMB": 128,
        "maxMemoryUsedMB": 36,
        "initDurationMs": 10.0,
    }
    assert report["record"]["status"] == "success"


def test_json_at_warn_has_failures_only() -> None:
    lines = JsonLines(replace(JSON, system_log_level="WARN"))
    assert lines.start("r1") is None
    assert lines.init_start("x") is None
    assert lines.report(REPORT) is None
    assert lines.report(REPORT._replace(status="timeout")) is not None
