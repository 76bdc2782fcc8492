"""Rows of the calendar: computed from the stack outputs and the answers of kubelets, for a given time."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from policies import clock

Kind = Literal["authority", "key", "machine", "person", "kubelet"]
Answer = Literal["answers", "does not answer", "not asked"]
State = Literal["valid", "due", "expired", "active", "trusted", "unknown", "does not answer", "not asked"]

_AUTHORITY = re.compile(r".+-ca-(\d+)")
DEPLOYER = "deployer"
"""The use of the program's own certificate, which the calendar shows beside those of people."""
_PEOPLE = ("admin", DEPLOYER)
_KUBELET_ISSUER = "kubernetes-ca"
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Kubelet:
    """The answer of a kubelet about its own client certificate.

    `ends` is in UTC, or None if it is not known. `why` is the reason if there is no answer, and empty otherwise.
    """

    node: str
    ends: datetime | None
    answer: Answer
    why: str = ""


@dataclass(frozen=True)
class Row:
    """One certificate or key. Times are in UTC.

    `kind` is the group of the row. `node` is the name of the node, and empty if the row belongs to no node.
    `generation` is the generation of a key, or of the authority that signed the certificate; None if it is not known.
    `ends` is None for a key, and if a kubelet gave no end. `renewed_from` is the time from which an `up` renews the
    certificate; None if no `up` renews it.
    """

    name: str
    use: str
    kind: Kind
    node: str
    generation: int | None
    issuer: str
    ends: datetime | None
    renewed_from: datetime | None
    state: State

    @property
    def next_step(self) -> datetime | None:
        """The start of the renewal; if there is no renewal, then the end; None if there is no known end."""
        return self.renewed_from or self.ends

    def days_left(self, now: datetime) -> float | None:
        """Days from `now` to the end, negative after the end. None if there is no end, or if the end is not known."""
        return None if self.ends is None else (self.ends - now) / _DAY


def calendar(
    certificates: Iterable[Mapping[str, Any]],
    keys: Iterable[Mapping[str, Any]],
    kubelets: Iterable[Kubelet],
    nodes: Collection[str],
    now: datetime,
) -> tuple[Row, ...]:
    """All rows: first by the day of the next step, then kubelets whose end is not known, then keys.

    `certificates` and `keys` are the stack outputs of these names. `nodes` are the names of the stack's nodes. Raises
    KeyError or ValueError if an entry is not complete.
    """
    found = [
        *(_certificate(entry, nodes, now) for entry in certificates),
        *(_kubelet(kubelet, now) for kubelet in kubelets),
        *(_key(entry) for entry in keys),
    ]
    return tuple(sorted(found, key=_order))


def due_within(rows: Iterable[Row], days: int, now: datetime) -> Iterator[Row]:
    """The rows whose next step is at most `days` after `now`, also if the step is in the past."""
    limit = now + days * _DAY
    for row in rows:
        if row.next_step is not None and row.next_step <= limit:
            yield row


def _certificate(entry: Mapping[str, Any], nodes: Collection[str], now: datetime) -> Row:
    name, use, issuer = str(entry["name"]), str(entry["use"]), str(entry["issuer"])
    ends, renewed_from = clock.parse(entry["notAfter"]), clock.parse(entry["renewedFrom"])
    # The issuer of a given authority is another authority of the organisation.
    found = _AUTHORITY.fullmatch(name if use == "authority" else issuer)
    kind: Kind = "authority" if use == "authority" else "person" if use in _PEOPLE else "machine"
    return Row(
        name=name,
        use=use,
        kind=kind,
        node=_node_of(name, nodes) if kind == "machine" else "",
        generation=int(found[1]) if found else None,
        issuer=issuer,
        ends=ends,
        renewed_from=renewed_from,
        state="expired" if ends <= now else "due" if renewed_from <= now else "valid",
    )


def _node_of(name: str, nodes: Collection[str]) -> str:
    """The node in the name of a leaf. If the names of several nodes fit, then the longest name is the right one."""
    return max((node for node in nodes if name.startswith(f"{node}-")), key=len, default="")


def _kubelet(kubelet: Kubelet, now: datetime) -> Row:
    state: State
    if kubelet.ends is not None:
        state = "expired" if kubelet.ends <= now else "valid"
    else:
        state = "unknown" if kubelet.answer == "answers" else kubelet.answer
    return Row(
        name=f"{kubelet.node}-kubelet-client",
        use="client",
        kind="kubelet",
        node=kubelet.node,
        # The metric does not tell which generation of the authority signed the certificate.
        generation=None,
        issuer=_KUBELET_ISSUER,
        ends=kubelet.ends,
        renewed_from=None,
        state=state,
    )


def _key(entry: Mapping[str, Any]) -> Row:
    return Row(
        name=str(entry["name"]),
        use=str(entry["use"]),
        kind="key",
        node="",
        generation=int(entry["generation"]),
        issuer="",
        ends=None,
        renewed_from=None,
        state="active" if entry["active"] else "trusted",
    )


def _order(row: Row) -> tuple[bool, bool, str, str, int]:
    # Sorted by day: the times of certificates of one run differ by seconds, and the table shows only days.
    day = "" if row.next_step is None else f"{row.next_step:%Y-%m-%d}"
    return (row.kind == "key", not day, day, row.use if row.kind == "key" else row.name, row.generation or 0)
