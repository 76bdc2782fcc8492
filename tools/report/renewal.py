"""Decides whether a change only renews certificates that are due: such a change may run without a review."""

from __future__ import annotations

from collections.abc import Iterator

from components.resource_names import SETTLE
from tools.report.certificates import AUTHORITY, KEY, LEAF, REQUEST, certificate_changes
from tools.report.nodes import COMMAND, node_changes
from tools.report.objects import ObjectChange, kubernetes_changes, machine_changes, other_changes
from tools.report.read import Preview

_DUE = ("readyForRenewal",)
_API_ACCESS = "pulumi:providers:kubernetes"


def more_than_renewal(preview: Preview) -> tuple[str, ...]:
    """What a preview changes besides leaf certificates that are due and the consequences of their renewal.

    Authorities and new keys are more than that: trust in them must be rolled out, which is a reviewed change.
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
        if not _is_consequence(change):
            yield f"{change.operation} {change.kind} {change.name}"


def _is_consequence(change: ObjectChange) -> bool:
    """Whether only the program's own certificate changes.

    The command `settle` gets the certificate on its standard input, and does nothing if nothing else changes
    (components/rollout/rotation.py).
    """
    settle = (change.kind, change.name, change.changed) == (COMMAND, SETTLE, ("stdin",))
    return change.operation == "update" and (settle or (change.kind, change.changed) == (_API_ACCESS, ("kubeconfig",)))
