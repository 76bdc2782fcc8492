"""A certificate authority: for each generation a key and a self-signed certificate, unless the page gives both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_tls as tls

from components.config.authorities import GivenAuthority
from components.config.durations import hours
from components.config.generations import Generations
from components.config.pki import Pki
from components.pki.given import Given, given_authority
from components.pki.inventory import CertificateEntry, entry
from components.pki.keys import AUTHORITY_USES, MADE_ONCE, private_key_args
from components.pki.leaves import AuthorityName
from components.pki.service import ServedBy, SigningPair
from components.pki.subject import SUBJECT_PARTS, distinguished_name, subject_args


@dataclass(frozen=True)
class AuthorityGenerations:
    """The trusted generations of one authority, by number; the active one signs.

    `crossed` are certificates of the active generation that older generations have signed: a client that trusts only an
    older generation accepts a server that shows them beside its own certificate (RFC 4158, section 1.5.1).
    """

    trusted: Mapping[int, Authority | Given]
    active: int
    crossed: Sequence[pulumi.Output[str]] = ()

    @property
    def signing(self) -> Authority | Given:
        """The generation whose key signs."""
        return self.trusted[self.active]

    @property
    def shown(self) -> Sequence[pulumi.Input[str]]:
        """The certificates that a server shows after its own.

        Those of older generations come first: a client with OpenSSL takes the first certificate that fits, and its
        older generation alone accepts these.
        """
        return (*self.crossed, self.signing.shown_pem)

    @property
    def bundle_pem(self) -> pulumi.Output[str]:
        """The certificates of all trusted generations, in ascending order.

        The order does not depend on the active generation: programs that read the bundle only at their start need not
        restart when another generation becomes active.
        """
        return pulumi.Output.concat(*(self.trusted[number].cert_pem for number in sorted(self.trusted)))

    @property
    def path_pem(self) -> pulumi.Output[str]:
        """The trust bundle and the issuers of given generations, up to their roots: what verifies servers with OpenSSL.

        OpenSSL needs a certification path up to a root. Who verifies clients must not have the roots: any authority of
        the organisation could certify a client. The same as the bundle if no generation is given.
        """
        issuers = [issuer for number in sorted(self.trusted) for issuer in self.trusted[number].issuers]
        return pulumi.Output.concat(self.bundle_pem, *dict.fromkeys(issuers))


def make_generations(
    name: AuthorityName,
    pki: Pki,
    generations: Generations,
    given: Mapping[int, GivenAuthority],
    opts: pulumi.ResourceOptions,
) -> AuthorityGenerations:
    """Make every trusted generation of an authority that is not `given`."""
    parent = pulumi.ResourceOptions(parent=opts.parent)
    made = {
        number: given_authority(name, given[number], pki, parent)
        if number in given
        else Authority(name, pki, number, kept(opts, number, generations))
        for number in generations.trusted
    }
    active = made[generations.active]
    # Only servers of the API have clients that learn of a new generation late: people, and pods.
    older = [number for number in made if number < generations.active] if name == "kubernetes" else []
    # Under one root, the root leads from the older generation to the one in use.
    others = [made[number] for number in older if not active.root or made[number].root != active.root]
    crossed = [pulumi.Output.concat(_cross_sign(active, by, pki, parent), by.shown_pem) for by in others]
    return AuthorityGenerations(made, generations.active, crossed)


def _cross_sign(
    authority: Authority | Given, by: Authority | Given, pki: Pki, opts: pulumi.ResourceOptions
) -> pulumi.Output[str]:
    """A certificate over the key of `authority` with the same subject, signed by an older generation.

    Both are of the API's authority, which no signing service serves, so both keys are here.
    """
    name = f"{authority.common_name}-by-{by.common_name}"
    request = tls.CertRequest(
        name,
        private_key_pem=authority.signs_with.private_key_pem,
        subject=authority.subject.apply(_request_subject),
        opts=opts,
    )
    cert = tls.LocallySignedCert(
        name,
        cert_request_pem=request.cert_request_pem,
        ca_cert_pem=by.signs_with.cert_pem,
        ca_private_key_pem=by.signs_with.private_key_pem,
        is_ca_certificate=True,
        set_subject_key_id=True,
        allowed_uses=AUTHORITY_USES,
        # The certificate must not outlive the older generation, so it lives like a leaf.
        validity_period_hours=hours(pki.profiles.server.lifetime),
        early_renewal_hours=hours(pki.profiles.server.renew_before),
        opts=opts,
    )
    return cert.cert_pem


def _request_subject(subject: Mapping[str, str]) -> tls.CertRequestSubjectArgs:
    return tls.CertRequestSubjectArgs(**{part: subject[part] for part in SUBJECT_PARTS if subject.get(part)})


def kept(opts: pulumi.ResourceOptions, number: int, generations: Generations) -> pulumi.ResourceOptions:
    """The options of a generation of a key. If `opts` protects, then only the generation in use is protected.

    When a generation is removed from the page, Pulumi checks the protection in the state. Therefore the protection has
    to end one step earlier, when the generation is no longer in use.
    """
    protect = bool(opts.protect) and number == generations.active
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(protect=protect))


class Authority(pulumi.ComponentResource):
    """A generation of an authority. Resource names contain its number, so several generations can exist together."""

    cert_pem: pulumi.Output[str]
    signs_with: SigningPair
    served_by: ServedBy | None = None
    entry: pulumi.Output[CertificateEntry]
    subject: pulumi.Output[Any]
    root = ""
    issuers: tuple[str, ...] = ()
    shown_pem = ""

    def __init__(
        self, name: AuthorityName, pki: Pki, generation: int, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hardway:pki:Authority", f"{name}-ca-{generation}", {}, opts)
        # Children do not inherit the option `protect` from their component. The page decides about keys and subjects
        # when a generation is created. A later change of the page does not change an existing generation: otherwise
        # all leaves would lose the authority that issued them.
        child = pulumi.ResourceOptions(
            parent=self, protect=opts.protect if opts else None, ignore_changes=list(MADE_ONCE)
        )
        self.common_name = f"{name}-ca-{generation}"
        key = tls.PrivateKey(self.common_name, **private_key_args(pki.algorithm), opts=child)
        subject = subject_args(pki.subject, common_name=self.common_name, organization=pki.subject.organization)
        cert = tls.SelfSignedCert(
            self.common_name,
            private_key_pem=key.private_key_pem,
            is_ca_certificate=True,
            set_subject_key_id=True,
            allowed_uses=AUTHORITY_USES,
            subject=tls.SelfSignedCertSubjectArgs(**subject),
            validity_period_hours=hours(pki.authorities.lifetime),
            early_renewal_hours=hours(pki.authorities.renew_before),
            opts=child,
        )
        self.cert_pem = cert.cert_pem
        self.signs_with = SigningPair(cert.cert_pem, key.private_key_pem)
        self.subject = cert.subject.apply(lambda subject: subject or {})
        # The values come from the certificate: the page may have other values by now.
        self.entry = pulumi.Output.all(
            not_after=cert.validity_end_time, subject=cert.subject, window=cert.early_renewal_hours
        ).apply(
            lambda known: entry(
                name=self.common_name,
                use="authority",
                subject=distinguished_name(known["subject"]),
                sans=(),
                issuer=self.common_name,
                not_after=known["not_after"],
                renew_before_hours=int(known["window"]),
            )
        )
        self.register_outputs({"certPem": self.cert_pem})
