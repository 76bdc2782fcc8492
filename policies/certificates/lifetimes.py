"""How long certificates are made for, and when their renewal starts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pulumi_policy import Policy

from policies.certificates.limits import LONGEST, SMALLEST_WINDOW, setting
from policies.certificates.model import PEOPLE, TYPES, certificates, is_authority
from policies.item import UNKNOWN, Item
from policies.rule import About, Setting, Settings, resource_rule, stack_rule


def lifetime(item: Item, settings: Settings) -> Iterator[str]:
    """An authority or a leaf that is made for too long. People have a rule of their own."""
    kind = "authority" if is_authority(item) else "machine"
    hours, limit = item.number("validityPeriodHours"), settings[setting(kind)]
    if hours is not None and hours > limit:
        yield (
            f"{item.name}: made for {hours:g} hours; the most for this kind ({kind}) is {limit:g}. "
            "Lower its lifetime on the page (hardway:pki)."
        )


def renewal_window(item: Item, settings: Settings) -> Iterator[str]:
    """Renewal that starts too late to be noticed when it fails, or that is nearly always due."""
    hours, window = item.number("validityPeriodHours"), item.number("earlyRenewalHours") or 0
    if hours is None or item.props.get("earlyRenewalHours") is UNKNOWN:
        return
    # What a person holds is not known here; its window has to fit its shorter life all the same.
    kind = "authority" if is_authority(item) else "machine"
    smallest = min(settings[setting(kind)], hours / 4)
    if window < smallest:
        yield (
            f"{item.name}: renewal starts {window:g} hours before the end of {hours:g}; at least {smallest:g} are "
            "needed to notice that it fails. Raise renewBefore."
        )
    elif window > hours / 2:
        yield (
            f"{item.name}: renewal starts {window:g} hours before the end of {hours:g}, more than half of its life "
            f"({hours / 2:g}). Lower renewBefore."
        )


def people(items: Sequence[Item], settings: Settings) -> Iterator[tuple[str, str]]:
    """Credentials of people that live too long: nobody can take a certificate back."""
    for certificate in certificates(items, settings["people"]):
        hours, limit = certificate.lifetime, settings["hours"]
        if certificate.kind == "person" and hours is not None and hours > limit:
            yield (
                certificate.urn,
                f"{certificate.name}: an administrator's or developer's credential for {hours:g} hours; the most is "
                f"{limit:g}. Lower hardway:pki.profiles.admin.lifetime.",
            )


def _kinds(values: dict, description: str) -> dict[str, Setting]:
    kinds = ("authority", "machine")
    return {setting(kind): Setting(values[kind], description.format(kind=kind)) for kind in kinds}


RULES: list[Policy] = [
    resource_rule(
        About(
            "certificate-lifetime",
            "Certificates are made for no longer than their kind may live.",
            _kinds(LONGEST, "Longest lifetime in hours of a {kind}."),
        ),
        TYPES,
        lifetime,
    ),
    resource_rule(
        About(
            "certificate-renewal-window",
            "Renewal starts early enough to be seen failing, and not before half of a life.",
            _kinds(SMALLEST_WINDOW, "Smallest window in hours of a {kind}; never more than a quarter of its life."),
        ),
        TYPES,
        renewal_window,
    ),
    stack_rule(
        About(
            "admin-credential-lifetime",
            "Credentials of people end soon by themselves.",
            {
                "hours": Setting(LONGEST["person"], "Longest lifetime in hours."),
                "people": Setting(PEOPLE, "Groups whose members are people."),
            },
        ),
        people,
    ),
]
