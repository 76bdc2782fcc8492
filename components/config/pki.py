"""`hardway:pki`: keys, names in certificates, lifetimes."""

import re
from datetime import timedelta
from typing import Annotated, Literal

from components.config.durations import LifeHours, RenewalHours
from components.config.generations import KeyGenerations
from components.config.section import Choice, Rule, Section

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def text_rule(longest: int, public: bool = False) -> Rule:
    """Text of one line, with a limit of its length in characters."""

    # The upper bounds of RFC 5280, appendix A.1 (ub-organization-name and so on).
    def check(value: str) -> str | None:
        if _CONTROL.search(value):
            return "has control characters"
        return None if 0 < len(value) <= longest else f"has {len(value)} characters"

    return Rule("text", f"1 to {longest} characters, no control characters", check, public=public)


_COUNTRY = Rule(
    "country",
    "two capital letters of ISO 3166, such as CN",
    lambda value: None if re.fullmatch("[A-Z]{2}", value) else "is not a country code",
)


class Subject(Section):
    """Parts of the subject of every certificate, beside the common name. Unset parts are left out."""

    country: Annotated[str, _COUNTRY] | None = None
    """C."""
    state: Annotated[str, text_rule(128)] | None = None
    """ST."""
    locality: Annotated[str, text_rule(128)] | None = None
    """L."""
    organization: Annotated[str, text_rule(64)] | None = None
    """O. Not put on client certificates: there Kubernetes reads it as a group."""
    organizational_unit: Annotated[str, text_rule(64)] | None = None
    """OU."""


class Lifetime(Section):
    """How long a certificate is valid and how long before its end `pulumi up` replaces it."""

    lifetime: LifeHours
    """From issue to end."""
    renew_before: RenewalHours
    """How long before the end `pulumi up` starts to replace it. More than zero, at most half the lifetime."""


class AuthorityLifetime(Lifetime):
    """The defaults of authorities: ten years, replaced one year before."""

    lifetime: LifeHours = timedelta(hours=87600)
    """From issue to end."""
    renew_before: RenewalHours = timedelta(hours=8760)
    """How long before the end `pulumi up` starts to replace it. More than zero, at most half the lifetime."""


class LeafLifetime(Lifetime):
    """The defaults of machines' certificates: 90 days, replaced 30 days before."""

    lifetime: LifeHours = timedelta(hours=2160)
    """From issue to end. At most the time that an authority has left when the authority is replaced."""
    renew_before: RenewalHours = timedelta(hours=720)
    """How long before the end `pulumi up` starts to replace it. More than zero, at most half the lifetime."""


class AdminLifetime(Lifetime):
    """The defaults of people's certificates: 30 days, replaced 10 days before."""

    lifetime: LifeHours = timedelta(hours=720)
    """From issue to end. At most the time that an authority has left when the authority is replaced."""
    renew_before: RenewalHours = timedelta(hours=240)
    """How long before the end `pulumi up` starts to replace it. More than zero, at most half the lifetime."""


class DeployerLifetime(Lifetime):
    """The defaults of the program's own certificate: three days, replaced in the second half of them."""

    lifetime: LifeHours = timedelta(hours=72)
    """From issue to end. At most the time that an authority has left when the authority is replaced."""
    renew_before: RenewalHours = timedelta(hours=36)
    """How long before the end `pulumi up` starts to replace it. More than zero, at most half the lifetime. Longer than
    the longest `up`: an `up` that starts with an older certificate ends with it."""


class Profiles(Section):
    """Lifetimes by use."""

    server: LeafLifetime = LeafLifetime()
    """Server certificates of components."""
    client: LeafLifetime = LeafLifetime()
    """Client certificates of components."""
    peer: LeafLifetime = LeafLifetime()
    """Certificates between etcd members: server and client at once."""
    admin: AdminLifetime = AdminLifetime()
    """Certificates of people: the admin and the developers."""
    deployer: DeployerLifetime = DeployerLifetime()
    """The certificate with which the program itself uses the API, in the group `hardway:deployers`."""


PROFILES_OF = {
    "kubernetes": ("server", "client", "admin", "deployer"),
    "etcd": ("server", "client", "peer"),
    "frontProxy": ("client",),
}
"""The profiles of the leaves that each authority signs (components/pki/leaves.py)."""


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
    signing_lifetime: LifeHours = timedelta(hours=168)
    """The longest lifetime of a certificate that the cluster itself signs. Client certificates of kubelets have this
    lifetime. Kubelets renew them when 70 to 90 % of the lifetime are over."""
    generations: KeyGenerations = KeyGenerations()
    """Which generations of each long-lived key are trusted, and which generation is in use: docs/certificates.md."""

    def longest_leaf(self, authority: str) -> timedelta:
        """The longest lifetime of a certificate that an authority signs. `authority` is its name on the page."""
        lifetimes: list[timedelta] = [getattr(self.profiles, profile).lifetime for profile in PROFILES_OF[authority]]
        return max([*lifetimes, self.signing_lifetime] if authority == "kubernetes" else lifetimes)
