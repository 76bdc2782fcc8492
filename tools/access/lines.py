"""The text of `make access`: by person, by group, by namespace, and the differences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from components.config.namespaces import ENFORCE
from tools.access.cluster import Found
from tools.access.compare import Comparison, Known, by_namespace
from tools.access.wanted import Wanted

_KINDS = (("PERSON", "User"), ("GROUP", "Group"), ("SERVICE ACCOUNT", "ServiceAccount"))
_CLUSTER_DEFAULT = "baseline (default)"


def lines(compared: Comparison, wanted: Wanted, found: Found) -> Iterator[str]:
    """All lines."""
    for title, kind in _KINDS:
        rows = [_row(one) for one in compared.rights if one.right.kind == kind]
        rows += _certificates(wanted) if kind == "User" else []
        if rows:
            yield from _table((title, "ROLE", "WHERE", "STANDS IN"), sorted(rows))
            yield ""
    rows = list(_namespaces(compared, wanted, found))
    if rows:
        yield from _table(("NAMESPACE", "POD SECURITY", "QUOTA", "WHO HAS RIGHTS THERE"), rows)
        yield ""
    yield "Who belongs to a group of an issuer is known to the issuer alone. hardway makes no network policy, because"
    yield "flannel enforces none: each pod may connect to each pod, also in other namespaces."
    for title, texts in (
        ("The page and the cluster differ:", compared.differences),
        ("Worth knowing:", compared.notes),
    ):
        if texts:
            yield ""
            yield title
            yield from (f"- {text}" for text in texts)
    if not compared.differences:
        yield "The page and the cluster agree."


def _row(known: Known) -> tuple[str, ...]:
    right = known.right
    return right.subject, right.role, right.where(), known.source


def _certificates(wanted: Wanted) -> Iterator[tuple[str, ...]]:
    """Holders of certificates: their rights are those of their group, which is in the table of groups."""
    for name, group in wanted.certificates.items():
        yield name, f"those of {group}", "", "certificate"


def _namespaces(compared: Comparison, wanted: Wanted, found: Found) -> Iterator[tuple[str, ...]]:
    named = {one.right.namespace for one in compared.rights if one.right.namespace} | {*wanted.namespaces}
    for name, known in sorted(by_namespace(compared.rights, named).items()):
        namespace = found.namespaces.get(name)
        if namespace is None:
            yield name, "(missing)", "", ""
            continue
        who = dict.fromkeys(f"{one.right.subject} ({one.right.role})" for one in known)
        level = namespace.labels.get(ENFORCE, _CLUSTER_DEFAULT)
        yield name, level, _amounts(namespace.quota) or "none", ", ".join(who) or "nobody"


def _amounts(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(values.items()))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    rows = [head, *rows]
    widths = [max(len(row[index]) for row in rows) for index in range(len(head))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
