"""A resource as the rules see it: plain data from a plan, a state, or an exported state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from components.resource_names import name_of


class _Unknown:
    """A value that is known only during `up`."""

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __bool__(self) -> bool:
        return False


UNKNOWN: Final = _Unknown()
"""The value of a property that is not known at preview. It is false, so `props.get("x") or default` works."""

SIGNATURE = "4dabf18193072939515e22adb298388d"
"""The key that identifies special values in a state: pulumi/sdk/go/common/resource/sig."""


@dataclass(frozen=True)
class Item:
    """One resource.

    `props` are inputs in resource rules and outputs in stack rules. `sources` maps an input to the URNs of the
    resources that the input depends on (stack rules only).
    """

    urn: str
    type: str
    name: str
    props: Mapping[str, Any]
    protected: bool = False
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def text(self, name: str) -> str | None:
        """The property if it is a known text, else None."""
        value = self.props.get(name)
        return value if isinstance(value, str) else None

    def number(self, name: str) -> float | None:
        """The property if it is a known number, else None."""
        value = self.props.get(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def texts(self, name: str) -> tuple[str, ...]:
        """The known texts in a property that is a list."""
        value = self.props.get(name)
        return tuple(entry for entry in value if isinstance(entry, str)) if isinstance(value, list) else ()


def texts_in(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """Every known text in a value with its place, also names of entries, and `name=value` for texts of a mapping."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            # With its name, because `PASSWORD` and a value say together what each of them does not say.
            yield from texts_in(f"{key}={entry}" if isinstance(entry, str) else entry, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for index, entry in enumerate(value):
            yield from texts_in(entry, f"{where}[{index}]")


def exported(resources: Iterable[Mapping[str, Any]]) -> list[Item]:
    """The items of a `pulumi stack export`, without resources that are still to be deleted. Secrets are UNKNOWN."""
    return [
        Item(
            urn=resource["urn"],
            type=resource["type"],
            name=name_of(resource["urn"]),
            props=_revealed(resource.get("outputs") or {}),
            protected=bool(resource.get("protect")),
            sources={name: tuple(urns or ()) for name, urns in (resource.get("propertyDependencies") or {}).items()},
        )
        for resource in resources
        if not resource.get("delete")
    ]


def _revealed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return UNKNOWN if SIGNATURE in value else {key: _revealed(entry) for key, entry in value.items()}
    return [_revealed(entry) for entry in value] if isinstance(value, list) else value
