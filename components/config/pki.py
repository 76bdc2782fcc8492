"""`hardway:pki`: keys, names in certificates, lifetimes."""

import re
from datetime import timedelta
from typing import Annotated, Literal

from components.config.durations import LifeHours, RenewalHours
from components.config.section import Choice, Rule, Section

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _text_rule(longest: int) -> Rule:
    # The upper bounds of RFC 5280, appendix A.1 (ub-organization-name and so on).
    def check(value: str) -> str | None:
        if _CONTROL.search(value):
            return "has control characters"
        return None if 0 < len(value) <= longest else f"has {len(value)} characters"

    return Rule("text", f"1 to {longest} characters, no control characters", check)


_COUNTRY = Rule(
    "country",
    "two capital letters of ISO 3166, such as CN",
    lambda value: None if re.fullmatch("[A-Z]{2}", value) else "is not a country code",
)


class Subject(Section):
    """Parts of the subject of every certificate, beside the common name. Unset parts are left out."""

    country: Annotated[str, _COUNTRY] | None = None
    """C."""
    state: Annotated[str, _text_rule(128)] | None = None
    """ST."""
    locality: Annotated[str, _text_rule(128)] | None = None
    """L."""
    organization: Annotated[str, _text_rule(64)] | None = None
    """O. Not put on client certificates: there Kubernetes reads it as a group."""
    organizational_unit: Annotated[str, _text_rule(64)] | None = None
    """OU."""


class Lifetime(Section):
    """How long a certificate lives and how long before its end `pulumi up` replaces it."""

    lifetime: LifeHours
    """From issue to end."""
    renew_before: RenewalHours
    """Time before the end from which on it is replaced. More than nothing, at most half the lifetime."""


class AuthorityLifetime(Lifetime):
    """The defaults of authorities: ten years, replaced one year before."""

    lifetime: LifeHours = timedelta(hours=87600)
    """From issue to end."""
    renew_before: RenewalHours = timedelta(hours=8760)
    """Time before the end from which on it is replaced. More than nothing, at most half the lifetime."""


class LeafLifetime(Lifetime):
    """The defaults of machines' certificates: a year, replaced 30 days before."""

    lifetime: LifeHours = timedelta(hours=8760)
    """From issue to end. It has to fit into what is left of an authority when that is replaced."""
    renew_before: RenewalHours = timedelta(hours=720)
    """Time before the end from which on it is replaced. More than nothing, at most half the lifetime."""


class AdminLifetime(Lifetime):
    """The defaults of people's certificates: 30 days, replaced 10 days before."""

    lifetime: LifeHours = timedelta(hours=720)
    """From issue to end. It has to fit into what is left of an authority when that is replaced."""
    renew_before: RenewalHours = timedelta(hours=240)
    """Time before the end from which on it is replaced. More than nothing, at most half the lifetime."""


class Profiles(Section):
    """Lifetimes by use."""

    server: LeafLifetime = LeafLifetime()
    """Certificates that components serve with."""
    client: LeafLifetime = LeafLifetime()
    """Certificates that components call others with."""
    peer: LeafLifetime = LeafLifetime()
    """Certificates between etcd members: server and client at once."""
    admin: AdminLifetime = AdminLifetime()
    """Certificates of people: the admin and the developers."""


class Pki(Section):
    """The certificates of the cluster."""

    algorithm: Annotated[Literal["ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072", "rsa-4096"], Choice()] = (
        "ecdsa-p256"
    )
    """Kind of every private key."""
    subject: Subject = Subject()
    """Names in certificates."""
    authorities: AuthorityLifetime = AuthorityLifetime()
    """Lifetime of the authorities."""
    profiles: Profiles = Profiles()
    """Lifetimes of the certificates that the authorities sign."""
