"""The report: what a reviewer needs first comes first, and the same preview gives the same text on the same day."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from tools.report.certificates import CertificateChange, certificate_changes
from tools.report.due import due_section
from tools.report.markdown import LIMIT, Section, code, codes, count, join, table
from tools.report.node_text import nodes_section
from tools.report.nodes import NodeChange, node_changes
from tools.report.objects import (
    ObjectChange,
    incomparable_objects,
    kubernetes_changes,
    machine_changes,
    other_changes,
)
from tools.report.read import Finding, Preview
from tools.report.rights import rights_sections
from tools.report.rotation import rotation_section
from tools.report.source import source_section

_DONE = {"create": "created", "update": "changed", "replace": "**replaced**", "delete": "**removed**"}
_DONE["retain"] = "stays, no longer managed"
_VERBS = {"create": "create", "update": "change", "replace": "replace", "delete": "remove", "retain": "leave in place"}
_KINDS = {"renewed": "renew", "issued": "issue", "dropped": "drop", "changed": "change"}
_HOURS_A_DAY = 24
_FOOT = "How to read this: `docs/preview.md`."


def marker(stack: str) -> str:
    """The hidden first line of a report. It identifies the comment that a later report updates in place."""
    return f"<!-- hardway preview of stack {stack} -->"


def render(preview: Preview, now: datetime, limit: int = LIMIT) -> str:
    """The report of a preview in Markdown. `now` decides which certificates are due."""
    machines, nodes, certificates = machine_changes(preview), node_changes(preview), certificate_changes(preview)
    objects, incomparable, others = kubernetes_changes(preview), incomparable_objects(preview), other_changes(preview)
    sections = [
        *_failure(preview),
        *_policies(preview.findings),
        *source_section(preview),
        *_machines(machines),
        *rotation_section(preview),
        *nodes_section(nodes),
        *_certificates(certificates),
        *due_section(preview, now),
        *rights_sections(preview),
        *_objects(objects, incomparable),
        *_others(others),
        *_warnings(preview),
    ]
    if not preview.ended:
        summary = "**it failed, so this report is incomplete.**"
    else:
        found = _facts(machines, nodes, certificates, objects, others)
        summary = f"{', '.join(found)}." if found else "nothing changes."
    refused = sum(finding.mandatory for finding in preview.findings)
    verdict = f" **Policies refuse it: {count(refused, 'mandatory finding')}.**" if refused else ""
    name = code(preview.stack) if preview.stack else "a stack"
    return join(
        f"{marker(preview.stack)}\nPreview of {name}: {summary}{verdict}", sections, _FOOT if sections else "", limit
    )


def facts(preview: Preview) -> list[str]:
    """What a preview changes, in counts such as `1 machine to replace`. Empty if it changes nothing."""
    return _facts(
        machine_changes(preview),
        node_changes(preview),
        certificate_changes(preview),
        kubernetes_changes(preview),
        other_changes(preview),
    )


def _facts(
    machines: tuple[ObjectChange, ...],
    nodes: tuple[NodeChange, ...],
    certificates: tuple[CertificateChange, ...],
    objects: tuple[ObjectChange, ...],
    others: tuple[ObjectChange, ...],
) -> list[str]:
    return [
        *_counted(machines, "machine"),
        *_node_facts(nodes),
        *_certificate_facts(certificates),
        *_counted(objects, "Kubernetes object"),
        *([count(len(others), "other change")] if others else []),
    ]


def _counted(changes: Iterable[ObjectChange], noun: str) -> Iterator[str]:
    changes = tuple(changes)
    for operation, verb in _VERBS.items():
        number = sum(change.operation == operation for change in changes)
        if number:
            yield f"{count(number, noun)} to {verb}"


def _node_facts(nodes: tuple[NodeChange, ...]) -> Iterator[str]:
    number = {kind: sum(node.kind == kind for node in nodes) for kind in ("new", "rebuilt", "removed", "changed")}
    if number["new"]:
        yield f"{number['new']} new {'node' if number['new'] == 1 else 'nodes'}"
    if number["rebuilt"]:
        yield f"{count(number['rebuilt'], 'node')} on a new machine"
    if number["removed"]:
        yield f"{count(number['removed'], 'node')} to remove"
    if number["changed"]:
        restarts = sum(bool(node.restarts) for node in nodes if node.kind == "changed")
        where = f"restarts on {restarts}" if restarts else "no restarts"
        yield f"{count(number['changed'], 'node')} to change ({where})"


def _certificate_facts(certificates: tuple[CertificateChange, ...]) -> Iterator[str]:
    for kind, verb in _KINDS.items():
        number = sum(certificate.kind == kind for certificate in certificates)
        if number:
            yield f"{count(number, 'certificate')} to {verb}"


def _failure(preview: Preview) -> Iterator[Section]:
    if not preview.ended:
        items = tuple(f"- {code(error)}" for error in preview.errors)
        yield Section("Why it failed", items or ("- Pulumi ended before the preview was complete.",))


def _policies(findings: Iterable[Finding]) -> Iterator[Section]:
    """One item for all resources about which a policy says the same."""
    groups: dict[tuple[bool, str, str], set[str]] = {}
    for finding in findings:
        # The first line describes the policy, the finding follows. The finding may begin with the resource's name.
        description, _, found = finding.message.partition("\n")
        text = found or description
        sentence = text.removeprefix(f"{finding.resource}: ")
        names = groups.setdefault((not finding.mandatory, finding.policy, sentence), set())
        if sentence != text or finding.resource not in text:
            names.add(finding.resource)
    items = []
    for (advisory, policy, found), names in sorted(groups.items()):
        about = f" — {codes(sorted(names))}" if names else ""
        items.append(f"- {'advice' if advisory else '**refused**'} by {code(policy)}: {code(found)}{about}")
    if items:
        yield Section("Policy findings", tuple(items))


def _machines(machines: tuple[ObjectChange, ...]) -> Iterator[Section]:
    if machines:
        rows = ((code(m.name), _DONE[m.operation], _why(m)) for m in machines)
        yield table("Machines", ("machine", "change", "reason"), rows)


def _why(machine: ObjectChange) -> str:
    # With `--replace` on the command line Pulumi gives no other reason.
    return "requested on the command line" if machine.changed == ("id",) else codes(machine.changed)


def _certificates(certificates: tuple[CertificateChange, ...]) -> Iterator[Section]:
    if certificates:
        columns = ("certificate", "change", "current one ends", "new lifetime", "reason")
        yield table("Certificates", columns, (tuple(_certificate(c)) for c in certificates))


def _certificate(certificate: CertificateChange) -> Iterator[str]:
    yield code(certificate.name) + (" (authority)" if certificate.authority else "")
    yield certificate.kind
    yield certificate.ends or ""
    yield _lifetime(certificate.hours)
    names = [
        *(f"adds {code(name)}" for name in certificate.names_added),
        *(f"drops {code(name)}" for name in certificate.names_removed),
    ]
    yield ", ".join([*certificate.reasons, *names, *(["with a new key"] if certificate.new_key else [])])


def _lifetime(hours: float | None) -> str:
    if hours is None:
        return ""
    days, rest = divmod(hours, _HOURS_A_DAY)
    return f"{hours:g} hours" if rest or not days else count(int(days), "day")


def _objects(changes: tuple[ObjectChange, ...], incomparable: int) -> Iterator[Section]:
    note = (
        f"Pulumi cannot compare {count(incomparable, 'object')}, because the credentials for the API are known only "
        "after the run. As far as the report can compare them, nothing about them changes."
    )
    if changes:
        rows = ((code(c.kind), code(c.name), _DONE[c.operation], codes(c.changed)) for c in changes)
        section = table("Kubernetes objects", ("kind", "name", "change", "changed properties"), rows)
        yield replace(section, text=note) if incomparable else section
    elif incomparable:
        yield Section("Kubernetes objects", (), text=note)


def _others(changes: tuple[ObjectChange, ...]) -> Iterator[Section]:
    if changes:
        rows = ((code(c.kind), code(c.name), _DONE[c.operation], codes(c.changed)) for c in changes)
        yield table("Everything else", ("kind", "name", "change", "changed properties"), rows)


def _warnings(preview: Preview) -> Iterator[Section]:
    if preview.warnings:
        yield Section("Warnings", tuple(f"- {code(warning)}" for warning in preview.warnings))
