"""Is an Invoke payload JSON? If not, the service answers in the words of its parser, Jackson (API notes, 20.9)."""

from __future__ import annotations

import orjson

from lamina.errors import InvalidRequestContentException

_SOURCE = "[Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: {line}, column: {column}]"
_EXPECTED = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
_TOKENS = ("null", "true", "false")


def check(payload: bytes | bytearray) -> None:
    """Raise ``InvalidRequestContentException`` unless the payload is one JSON value."""
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        reason, position = _reason(bytes(payload), error)
        line = payload.count(b"\n", 0, position) + 1
        column = position - (payload.rfind(b"\n", 0, position) + 1) + 1
        raise InvalidRequestContentException(
            "Could not parse request body into json: Could not parse payload into json: "
            f"{reason}\n at {_SOURCE.format(line=line, column=column)}"
        ) from None


def _reason(payload: bytes, error: orjson.JSONDecodeError) -> tuple[str, int]:
    try:
        text = payload.decode()
    except UnicodeDecodeError as bad:
        return _bad_utf8(payload, bad)
    position = min(error.pos, len(text))
    offset = len(text[:position].encode())
    if position >= len(text):
        return "Unexpected end-of-input", offset
    if text[position].isalpha():
        return _bad_token(text, position), offset
    return f"Unexpected character ({_character(text[position])}): expected a valid value {_EXPECTED}", offset


def _bad_utf8(payload: bytes, bad: UnicodeDecodeError) -> tuple[str, int]:
    byte = payload[bad.start]
    if not payload[: bad.start].strip(b" \t\r\n"):
        return f"Unexpected character ((CTRL-CHAR, code {byte})): expected a valid value {_EXPECTED}", bad.start
    kind = "start" if bad.reason == "invalid start byte" else "middle"
    return f"Invalid UTF-8 {kind} byte 0x{byte:02x}", bad.start + 1


def _bad_token(text: str, position: int) -> str:
    end = position
    while end < len(text) and (text[end].isalnum() or text[end] in "_$"):
        end += 1
    token = text[position:end]
    expected = f"was expecting {_EXPECTED}"
    if any(known.startswith(token) for known in _TOKENS):
        return f"Unexpected end-of-input within/between tokens: {expected}"
    return f"Unrecognized token '{token}': {expected}"


def _character(character: str) -> str:
    code = ord(character)
    if code < 32 or 127 <= code < 160:
        return f"(CTRL-CHAR, code {code})"
    return f"'{character}' (code {code})" if code < 256 else f"'{character}' (code {code} / 0x{code:x})"
