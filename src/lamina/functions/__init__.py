"""The control plane, in AWS's words: frozen records and the rules over them."""

from lamina.functions._live import Call, Cutover, FunctionKey, LiveVersion, Route

__all__ = ["Call", "Cutover", "FunctionKey", "LiveVersion", "Route"]
