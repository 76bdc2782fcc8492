"""Rules about the time that certificates have left, in a plan, after `up`, and in a state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from pulumi_policy import Severity

from policies import clock
from policies.certificates.limits import REMAINING, REMAINING_RULE, setting
from policies.certificates.model import PEOPLE, Certificate, certificates
from policies.item import Item
from policies.rule import About, Rule, Setting, Settings, stack_rule

_TOLERANCE = timedelta(hours=1)
"""A plan makes an authority and its first leaves at nearly the same time."""


def remaining(items: Sequence[Item], settings: Settings) -> Iterator[tuple[str, str]]:
    """Finds certificates with too little time left. Certificates of this plan count with their whole lifetime.

    An authority whose next generation is in the plan is being replaced, and so are certificates by which it certifies
    other authorities. Their rotation is what this rule asks for, and has to be possible.
    """
    now = clock.now()
    found = certificates(items, settings["people"])
    replaced = _replaced(found)
    for certificate in found:
        if certificate.kind == "authority" and {certificate.urn, certificate.issuer} & replaced:
            continue
        left, limit = certificate.hours_left(now), settings.get(setting(certificate.kind))
        if limit is not None and left is not None and left < limit:
            yield certificate.urn, _remaining_message(certificate, left, limit)


def _replaced(found: Sequence[Certificate]) -> set[str]:
    """URNs of authorities of which the stack has a later generation. Names are `<authority>-<generation>`."""
    authorities = [(c.urn, *_generation(c.name)) for c in found if c.kind == "authority"]
    newest: dict[str, int] = {}
    for _, base, number in authorities:
        newest[base] = max(number, newest.get(base, 0))
    return {urn for urn, base, number in authorities if number < newest[base]}


def _generation(name: str) -> tuple[str, int]:
    base, _, number = name.rpartition("-")
    return (base, int(number)) if number.isdecimal() else (name, 0)


def _remaining_message(certificate: Certificate, left: float, limit: float) -> str:
    who = f"{certificate.name} ({certificate.kind})"
    name = setting(certificate.kind)
    if certificate.end is None:
        return (
            f"{who}: this plan makes it with a lifetime of {left:g} hours; allowed: at least {limit:g}, which have to "
            f"be left at any time. Give it a longer lifetime, or lower the setting {name}."
        )
    ended = f"ended {clock.text(certificate.end)}" if left <= 0 else f"{left:.1f} hours left"
    until = "" if left <= 0 else f" (until {clock.text(certificate.end)})"
    return (
        f"{who}: {ended}{until}; the limit is {limit:g} hours, and no renewal is planned. `make up` renews it in the "
        f"last {certificate.window:g} hours before its end; for an earlier renewal raise renewBefore or use --replace."
    )


def outlived(items: Sequence[Item], _: Settings) -> Iterator[tuple[str, str]]:
    """Finds leaves that are valid for longer than the authority that signs them."""
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


RULES: list[Rule] = [
    stack_rule(
        About(
            REMAINING_RULE,
            "Certificates are renewed long before they end.",
            {
                setting(kind): Setting(hours, f"Hours that a certificate of the kind {kind} has to have left.")
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
