"""The text of `make access`: by person, by group, by namespace, and the differences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from components.config.namespaces import ENFORCE
from tools.access.cluster import Found
from tools.access.compare import Comparison, Known, by_namespace
from tools.access.names import shown
from tools.access.wanted import Wanted

_KINDS = (("PERSON", "User"), ("GROUP", "Group"), ("SERVICE ACCOUNT", "ServiceAccount"))
_CLUSTER_DEFAULT = "baseline (default)"


def lines(compared: Comparison, wanted: Wanted, found: Found) -> Iterator[str]:
    """All lines."""
    for title, kind in _KINDS:
        rows = [_row(one) for one in compared.rights if one.right.kind == kind]
        rows += _holders(wanted) if kind == "User" else []
        if rows:
            yield from _table((title, "ROLE", "WHERE", "STANDS IN"), sorted(rows))
            yield ""
    yield from _namespaces(compared, wanted, found)
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
    return shown(right.subject), right.what(), right.where(), known.source


def _holders(wanted: Wanted) -> Iterator[tuple[str, ...]]:
    """Holders of certificates and tokens: their rights are those of their groups, which are in the table of groups."""
    for name, group in wanted.certificates.items():
        yield name, f"those of {group}", "", "certificate"
    for name, groups in wanted.tokens.items():
        yield name, f"those of {', '.join(groups)}" if groups else "its own", "", "token"


def _namespaces(compared: Comparison, wanted: Wanted, found: Found) -> Iterator[str]:
    named = {one.right.namespace for one in compared.rights if one.right.namespace} | {*wanted.namespaces}
    for name, known in sorted(by_namespace(compared.rights, named).items()):
        namespace = found.namespaces.get(name)
        if namespace is None:
            yield from (f"NAMESPACE {name} is not in the cluster", "")
            continue
        limits = [
            f"Pod Security {namespace.labels.get(ENFORCE, _CLUSTER_DEFAULT)}",
            f"quota {_amounts(namespace.quota)}" if namespace.quota else "no quota",
            *(
                f"{field} of a container {_amounts(amounts)}"
                for field, amounts in sorted(namespace.limits.items())
                if isinstance(amounts, dict) and amounts
            ),
        ]
        yield f"NAMESPACE {name}: {'; '.join(limits)}"
        roles: dict[str, list[str]] = {}
        for one in known:
            roles.setdefault(one.right.what(), []).append(shown(one.right.subject))
        width = max(map(len, roles), default=0)
        for role, subjects in sorted(roles.items()):
            yield f"  {role.ljust(width)}  {', '.join(dict.fromkeys(subjects))}"
        yield ""


def _amounts(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(values.items()))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    rows = [head, *rows]
    widths = [max(len(row[index]) for row in rows) for index in range(len(head))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
