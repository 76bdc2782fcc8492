"""Feature gates that a program refuses: unknown ones, locked ones, and ones without a gate that they need.

The source is k8s.io/component-base/featuregate, which etcd uses as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from components.config import accepted

_GROUPS = {"Alpha": "AllAlpha", "Beta": "AllBeta"}


def problems(product: str, version: str, given: Mapping[str, bool]) -> Iterator[tuple[str, str, str]]:
    """The gate, what is wrong, and what is allowed, for each wrong gate; none if the version is not recorded."""
    known = accepted.gates(product, version)
    wrong = list(_single(product, version, given)) if known else []
    yield from wrong
    if not wrong and known:
        yield from _needed(product, version, given)


def _single(product: str, version: str, given: Mapping[str, bool]) -> Iterator[tuple[str, str, str]]:
    known = accepted.gates(product, version)
    for name, value in given.items():
        gate = known.get(name)
        if gate is None:
            like = get_close_matches(name, known, n=1)
            allowed = f"a gate of {product} {version}" + (f", such as {like[0]}" if like else "")
            yield name, f"is no feature gate of {product} {version}", allowed
        elif gate["locked"] and value != gate["on"]:
            yield (
                name,
                f"is locked to {_word(gate['on'])} in {product} {version}",
                f"{_word(gate['on'])}, or no such gate",
            )


def _needed(product: str, version: str, given: Mapping[str, bool]) -> Iterator[tuple[str, str, str]]:
    """One finding for each gate of the page, however many gates it affects."""
    told: set[str] = set()
    for name, gate in accepted.gates(product, version).items():
        missing = [other for other in gate.get("needs", ()) if not is_on(product, version, given, other)]
        if missing and is_on(product, version, given, name):
            # The gate that the page names: the gate itself, the one that it needs, or the group of one of both.
            named = next((one for one in (name, *missing, *_GROUPS.values()) if one in given), name)
            if named not in told:
                told.add(named)
                what = "is" if named == name else f"leaves {name}"
                yield (
                    named,
                    f"{what} on without {missing[0]}",
                    f"{name} and {missing[0]}, which {name} needs, both on or both off",
                )


def is_on(product: str, version: str, given: Mapping[str, bool], name: str) -> bool:
    """Whether a gate is on, if the page sets the gates `given`. False for a gate that nobody knows."""
    gate = accepted.gates(product, version).get(name)
    if gate is None or name in given:
        return given.get(name, False)
    return bool(given.get(_GROUPS.get(gate["stage"], ""), gate["on"]))


def is_off(product: str, version: str, given: Mapping[str, bool], name: str) -> bool:
    """Whether a gate of the version is off. False for a gate that the version has no more, and if nobody knows."""
    return name in accepted.gates(product, version) and not is_on(product, version, given, name)


def _word(value: bool) -> str:
    return str(value).lower()
