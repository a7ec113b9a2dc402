"""Logs: what functions print, kept on disk and read through the CloudWatch Logs API."""

from lamina.observe._api import LogsApi
from lamina.observe._events import EventPage, LogEvent
from lamina.observe._limits import LogLimits
from lamina.observe._store import GroupFacts, LogStore, StreamFacts
from lamina.observe._stream import LogStream

__all__ = ["EventPage", "GroupFacts", "LogEvent", "LogLimits", "LogStore", "LogStream", "LogsApi", "StreamFacts"]
