"""A generation of an authority whose certificate is on the page, and its key as well, or a signing service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pydantic.alias_generators import to_camel

from components.config.authorities import GivenAuthority
from components.config.durations import hours
from components.config.pki import Pki
from components.pki.inventory import RFC3339, CertificateEntry, entry
from components.pki.leaves import AuthorityName
from components.pki.service import ServedBy, SigningPair, drafts_pair
from components.pki.subject import LONG
from components.x509 import certificates


@dataclass(frozen=True)
class Given:
    """A given generation, with the same properties as one that the program makes (`Authority`).

    `signs_with` signs leaves. If `served_by` is not None, then `signs_with` signs only drafts of leaves.
    `root` is the identity of the root. `issuers` are the certificates of the issuers, in order, the root at the end.
    `shown_pem` are the certificates by which a client that knows the root alone accepts a leaf: all but the root.
    """

    common_name: str
    cert_pem: pulumi.Output[str]
    signs_with: SigningPair
    served_by: ServedBy | None
    subject: pulumi.Output[Mapping[str, str]]
    entry: pulumi.Output[CertificateEntry]
    root: str
    issuers: tuple[str, ...]
    shown_pem: str


def given_authority(name: AuthorityName, one: GivenAuthority, pki: Pki, opts: pulumi.ResourceOptions) -> Given:
    """The authority of a page that the rules accept (components/config/rules/authorities.py and signing.py)."""
    first, *issuers = certificates(one.certificate)
    label, on_page = f"{name}-ca-{one.generation}", to_camel(name.replace("-", "_"))
    cert_pem, served_by = pulumi.Output.from_input(first.pem), None
    if one.service:
        served_by = ServedBy(
            f"authorities.{on_page} (generation {one.generation}).service", one.service, one.certificate
        )
    if one.private_key:
        signs_with = SigningPair(cert_pem, pulumi.Output.secret(one.private_key))
    else:
        signs_with = drafts_pair(f"{name}-drafts-{one.generation}", pki, opts)
    line = entry(
        name=label,
        use="authority",
        subject=str(first.subject),
        sans=(),
        issuer=str(first.issuer),
        not_after=first.not_after.strftime(RFC3339),
        # From then on, an `up` needs a renewed certificate on the page.
        renew_before_hours=hours(pki.longest_leaf(on_page)),
    )
    return Given(
        common_name=label,
        cert_pem=cert_pem,
        signs_with=signs_with,
        served_by=served_by,
        subject=pulumi.Output.from_input({LONG[short]: value for short, value in first.subject.parts if short in LONG}),
        entry=pulumi.Output.from_input(line),
        root=(first, *issuers)[-1].identity,
        issuers=tuple(issuer.pem for issuer in issuers),
        shown_pem="".join(certificate.pem for certificate in (first, *issuers)[:-1]),
    )
