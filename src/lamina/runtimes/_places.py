"""Paths inside an execution environment, as on AWS, and where the bootstraps lie on the host."""

from __future__ import annotations

from pathlib import Path

BOOTSTRAPS = Path(__file__).parent
LANGUAGE = "/var/lang"
RUNTIME = "/var/runtime"
LAYERS = "/opt"

PATH = "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin"
LIBRARY_PATH = "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"
