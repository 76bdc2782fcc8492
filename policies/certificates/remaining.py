"""What is left of certificates, at preview, after `up`, and in a state alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from pulumi_policy import Policy, Severity

from policies import clock
from policies.certificates.limits import REMAINING, REMAINING_RULE, setting
from policies.certificates.model import PEOPLE, Certificate, certificates
from policies.item import Item
from policies.rule import About, Setting, Settings, stack_rule

_TOLERANCE = timedelta(hours=1)
"""An authority and its first leaves are made at nearly the same moment."""


def remaining(items: Sequence[Item], settings: Settings) -> Iterator[tuple[str, str]]:
    """Certificates with less left than the limit. One that this plan makes or renews counts with its whole lifetime."""
    now = clock.now()
    for certificate in certificates(items, settings["people"]):
        left, limit = certificate.hours_left(now), settings[setting(certificate.kind)]
        if left is not None and left < limit:
            yield certificate.urn, _remaining_message(certificate, left, limit)


def _remaining_message(certificate: Certificate, left: float, limit: float) -> str:
    who = f"{certificate.name} ({certificate.kind})"
    name = setting(certificate.kind)
    if certificate.end is None:
        return (
            f"{who}: made by this plan for {left:g} hours, less than the {limit:g} hours that always have to be left. "
            f"Give it a longer lifetime, or lower {name}."
        )
    ended = f"ended {clock.text(certificate.end)}" if left <= 0 else f"{left:.1f} hours left"
    until = "" if left <= 0 else f" (until {clock.text(certificate.end)})"
    return (
        f"{who}: {ended}{until}, the limit is {limit:g}, and it is not being renewed. `make up` renews it from "
        f"{certificate.window:g} hours before its end on; for an earlier renewal raise renewBefore or use --replace."
    )


def outlived(items: Sequence[Item], _: Settings) -> Iterator[tuple[str, str]]:
    """Leaves that are valid for longer than the authority that signed them."""
    now = clock.now()
    found = certificates(items)
    ends = {certificate.urn: certificate.expected_end(now) for certificate in found}
    names = {certificate.urn: certificate.name for certificate in found}
    for leaf in found:
        end, last = ends[leaf.urn], ends.get(leaf.issuer or "")
        if end and last and leaf.issuer and end > last + _TOLERANCE:
            yield (
                leaf.urn,
                f"{leaf.name}: valid until {clock.text(end)}, but the authority {names[leaf.issuer]} that signs it "
                f"ends {clock.text(last)}. Renew the authority first, or shorten the lifetime of this certificate.",
            )


RULES: list[Policy] = [
    stack_rule(
        About(
            REMAINING_RULE,
            "Certificates are renewed long before they end.",
            {
                setting(kind): Setting(hours, f"Hours that a {kind} has to have left.")
                for kind, hours in REMAINING.items()
            }
            | {"people": Setting(PEOPLE, "Groups whose members are people.")},
            Severity.CRITICAL,
        ),
        remaining,
    ),
    stack_rule(
        About("certificate-outlives-authority", "No certificate is valid for longer than its authority.", {}), outlived
    ),
]
