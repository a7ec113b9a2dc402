"""Lists in pages, with opaque markers."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import orjson

from lamina.errors import InvalidParameterValueException
from lamina.functions._messages import invalid

T = TypeVar("T")

# ListFunctions and ListVersionsByFunction of AWS give at most 50 entries, whatever MaxItems says.
LARGEST_PAGE = 50
_MOST_ITEMS = 10_000
_NO_VERSION = 1 << 31


def page_size(params: Mapping[str, Any]) -> int:
    """The number of entries of this page."""
    wanted = params.get("MaxItems")
    if wanted is None:
        return LARGEST_PAGE
    if wanted < 1:
        raise invalid(wanted, "maxItems", "Member must have value greater than or equal to 1")
    if wanted > _MOST_ITEMS:
        raise invalid(wanted, "maxItems", f"Member must have value less than or equal to {_MOST_ITEMS}")
    return min(int(wanted), LARGEST_PAGE)


def page_start(params: Mapping[str, Any], list_of: str, first: T) -> T:
    """Where this page starts: at ``first``, or where the Marker of the last page says.

    ``list_of`` names the list, and ``first`` the type of a position in it. Raises InvalidParameterValueException for a
    marker that another list or nobody has given.
    """
    marker = params.get("Marker")
    if not marker:
        return first
    try:
        name, position = orjson.loads(urlsafe_b64decode(marker.encode("ascii")))
    except (ValueError, TypeError, binascii.Error):
        raise _refused() from None
    if name != list_of or _form(position) != _form(first):
        raise _refused()
    return tuple(position) if isinstance(first, tuple) else position  # type: ignore[return-value]


def page(
    member: str,
    list_of: str,
    found: Sequence[T],
    size: int,
    *,
    position: Callable[[T], object],
    view: Callable[[T], Any],
) -> dict[str, Any]:
    """The answer: at most ``size`` entries, and the marker of the next one if there is any in ``found``."""
    answer: dict[str, Any] = {member: [view(each) for each in found[:size]]}
    if len(found) > size:
        text = orjson.dumps([list_of, position(found[size])])
        answer["NextMarker"] = urlsafe_b64encode(text).decode("ascii")
    return answer


def _form(position: object) -> object:
    if isinstance(position, int) and not 0 <= position < _NO_VERSION:
        return None
    if isinstance(position, tuple | list):
        return [_form(each) for each in position]
    return type(position)


def _refused() -> InvalidParameterValueException:
    return InvalidParameterValueException("The provided Marker is invalid.")
