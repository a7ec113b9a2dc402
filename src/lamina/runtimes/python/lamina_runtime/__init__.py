"""The parts of the Python runtime's bootstrap. Private to it: functions must not import this package."""
