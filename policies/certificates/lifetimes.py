"""Rules about the lifetime of certificates and the start of their renewal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from policies.certificates.limits import LONGEST, SMALLEST_WINDOW, setting
from policies.certificates.model import PEOPLE, TYPES, Kind, certificates, is_authority
from policies.item import UNKNOWN, Item
from policies.rule import About, Rule, Setting, Settings, resource_rule, stack_rule


def lifetime(item: Item, settings: Settings) -> Iterator[str]:
    """Finds authorities and leaves with a lifetime that is too long. Another rule checks people and the program."""
    kind: Kind = "authority" if is_authority(item) else "machine"
    hours, limit = item.number("validityPeriodHours"), settings[setting(kind)]
    if hours is not None and hours > limit:
        yield (
            f"{item.name}: made for {hours:g} hours; the most for this kind ({kind}) is {limit:g}. "
            "Lower its lifetime on the page (hardway:pki)."
        )


def renewal_window(item: Item, settings: Settings) -> Iterator[str]:
    """Finds renewals that start so late that nobody would notice a failed renewal, or that are due most of the time."""
    hours, window = item.number("validityPeriodHours"), item.number("earlyRenewalHours") or 0
    if hours is None or item.props.get("earlyRenewalHours") is UNKNOWN:
        return
    # One resource does not show whether the certificate belongs to a person. The quarter fits their shorter lifetime.
    kind: Kind = "authority" if is_authority(item) else "machine"
    smallest = min(settings[setting(kind)], hours / 4)
    if window < smallest:
        yield (
            f"{item.name}: renewal starts {window:g} hours before the end of a lifetime of {hours:g}; allowed: at "
            f"least {smallest:g}, so that a failed renewal is noticed. Raise renewBefore."
        )
    elif window > hours / 2:
        yield (
            f"{item.name}: renewal starts {window:g} hours before the end of a lifetime of {hours:g}; allowed: at "
            f"most {hours / 2:g}, half of the lifetime. Lower renewBefore."
        )


def people(items: Sequence[Item], settings: Settings) -> Iterator[tuple[str, str]]:
    """Finds credentials of people, and of the program, with a lifetime that is too long: nobody can revoke them."""
    limits: dict[Kind, tuple[str, str, float]] = {
        "person": ("the credential of a person", "admin", settings["hours"]),
        "deployer": ("a credential with all rights", "deployer", settings[setting("deployer")]),
    }
    for certificate in certificates(items, settings["people"]):
        hours = certificate.lifetime
        if certificate.kind not in limits or hours is None:
            continue
        what, profile, limit = limits[certificate.kind]
        if hours > limit:
            yield (
                certificate.urn,
                f"{certificate.name}: {what} has a lifetime of {hours:g} hours; allowed: at most {limit:g}. "
                f"Lower hardway:pki.profiles.{profile}.lifetime.",
            )


def _kinds(values: Mapping[Kind, float], description: str) -> dict[str, Setting]:
    kinds: tuple[Kind, ...] = ("authority", "machine")
    return {setting(kind): Setting(values[kind], description.format(kind=kind)) for kind in kinds}


RULES: list[Rule] = [
    resource_rule(
        About(
            "certificate-lifetime",
            "The lifetime of a certificate is at most the limit of its kind.",
            _kinds(LONGEST, "Longest lifetime of a certificate of the kind {kind}, in hours."),
        ),
        TYPES,
        lifetime,
    ),
    resource_rule(
        About(
            "certificate-renewal-window",
            "Renewal starts so early that a failed renewal is noticed, and not in the first half of the lifetime.",
            _kinds(
                SMALLEST_WINDOW,
                "Smallest time from renewal to end for the kind {kind}, in hours; at most a quarter of the lifetime.",
            ),
        ),
        TYPES,
        renewal_window,
    ),
    stack_rule(
        About(
            "admin-credential-lifetime",
            "Credentials of people and of the program have a short lifetime.",
            {
                "hours": Setting(LONGEST["person"], "Longest lifetime of a credential of a person, in hours."),
                setting("deployer"): Setting(
                    LONGEST["deployer"], "Longest lifetime of a credential of a group with all rights, in hours."
                ),
                "people": Setting(PEOPLE, "Groups whose members are people."),
            },
        ),
        people,
    ),
]
