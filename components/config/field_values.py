"""Values of fields in the configuration files of kubelet and kube-proxy, by the types in `accepted.json`.

Both programs decode their file as JSON: a number in quotes ends them. A key in another spelling does not: both ignore
it, and kube-proxy logs that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from components.config.flag_values import is_quantity, seconds

Place = tuple[str | int, ...]
Problem = tuple[Place, Any, str, str]
"""Where a value is, the value, what is wrong, what is allowed."""

_BITS = {"int32": 32, "int64": 64, "uint8": 8, "uint32": 32, "uint64": 64}


def problems(known: Any, given: Any, place: Place) -> Iterator[Problem]:
    """What is wrong with the value `given`, whose type is the tree `known`."""
    if isinstance(known, list):
        yield from _list(known[0], given, place)
    elif isinstance(known, Mapping):
        yield from _mapping(known, given, place)
    elif (problem := _single(known, given)) is not None:
        yield place, given, *problem


def without_nulls(value: Any) -> Any:
    """A mapping without its keys that have no value: they count as left out, as everywhere on the page."""
    if isinstance(value, Mapping):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list | tuple) else value


def _list(known: Any, given: Any, place: Place) -> Iterator[Problem]:
    if not isinstance(given, list | tuple):
        yield place, given, "is not a list", "a list"
        return
    for index, item in enumerate(given):
        yield from problems(known, item, (*place, index))


def _mapping(known: Mapping[str, Any], given: Any, place: Place) -> Iterator[Problem]:
    names = "" if "*" in known else f" with {', '.join(known)}"
    if not isinstance(given, Mapping):
        yield place, given, "is not a mapping", f"a mapping{names}"
        return
    for key, item in given.items():
        below = known.get("*", known.get(str(key)))
        if below is not None:
            yield from problems(below, item, (*place, key))
            continue
        like = get_close_matches(str(key), known, n=1)
        allowed = like[0] if like else ", ".join(known)
        yield (*place, key), None, "is not a known field", allowed if len(place) > 2 or like else "a field of the file"


def _single(known: str, given: Any) -> tuple[str, str] | None:
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    match known:
        case "string":
            advice = " (quote it)" if is_number or isinstance(given, bool) else ""
            return None if isinstance(given, str) else (f"is not a string{advice}", "a string")
        case "boolean":
            return None if isinstance(given, bool) else ("is not true or false", "true or false")
        case "number":
            return None if is_number and math.isfinite(given) else ("is not a number", "a number")
        case "quantity":
            # Go reads a number in JSON as the text of a quantity.
            ok = is_quantity(given) if isinstance(given, str) else is_number and math.isfinite(given)
            return None if ok else ("is not a quantity", "a quantity of Kubernetes, such as 100Mi")
        case "duration" | "duration or nanoseconds":
            if known != "duration" and isinstance(given, int) and not isinstance(given, bool):
                return None if abs(given) < 2**63 else ("is too large", "a duration such as 5s")
            ok = isinstance(given, str) and seconds(given) is not None
            return (
                None
                if ok
                else (
                    "is not a duration" + (" (it needs a unit)" if is_number else ""),
                    "a duration such as 90s or 1h30m",
                )
            )
        case _ if known in _BITS:
            return _whole(_BITS[known], known.startswith("int"), given)
    # `any`, and types that nobody has met yet: the program itself decides.
    return None


def _whole(bits: int, signed: bool, given: Any) -> tuple[str, str] | None:
    least, most = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    if not isinstance(given, int) or isinstance(given, bool):
        return "is not a whole number", f"{least} to {most}" if bits < 64 else "a whole number"
    return (
        None if least <= given <= most else ("is too large" if given > most else "is too small", f"{least} to {most}")
    )
