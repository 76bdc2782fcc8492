"""Whether a change only renews certificates that are due: then it may run without anybody having looked at it."""

from __future__ import annotations

from collections.abc import Iterator

from tools.report.certificates import AUTHORITY, KEY, LEAF, REQUEST, certificate_changes
from tools.report.nodes import node_changes
from tools.report.objects import kubernetes_changes, machine_changes, other_changes
from tools.report.read import Preview

_DUE = ("readyForRenewal",)
_API_ACCESS = "pulumi:providers:kubernetes"


def more_than_renewal(preview: Preview) -> tuple[str, ...]:
    """What a preview changes beside leaf certificates that are due and what follows from them by itself.

    Authorities and new keys are more: trust in them has to be rolled out, which is a reviewed change.
    """
    return tuple(sorted(_more(preview)))


def renewed(preview: Preview) -> tuple[str, ...]:
    """Names of the certificates that a preview renews."""
    return tuple(certificate.name for certificate in certificate_changes(preview) if certificate.kind == "renewed")


def _more(preview: Preview) -> Iterator[str]:
    if not preview.ended:
        yield "the preview failed"
    for step in preview.steps:
        due = step.type == LEAF and step.operation == "replace" and step.reasons == _DUE
        if step.type in (LEAF, AUTHORITY, REQUEST, KEY) and not due:
            yield f"{step.operation} {step.type.rpartition(':')[2]} {step.name}"
    for node in node_changes(preview):
        quiet = not (node.restarts or node.reloads or node.started or node.stopped)
        same = not (node.flags or node.hidden_flags or node.programs or node.files or node.added or node.removed)
        if not (node.kind == "changed" and quiet and same and node.certificates):
            yield f"node {node.name}: more than new certificates"
    for change in (*machine_changes(preview), *kubernetes_changes(preview), *other_changes(preview)):
        if not (change.kind == _API_ACCESS and change.operation == "update" and change.changed == ("kubeconfig",)):
            yield f"{change.operation} {change.kind} {change.name}"
