"""One certificate authority: a key and a self-signed certificate."""

from __future__ import annotations

import pulumi
import pulumi_tls as tls

from components.config.pki import Pki
from components.pki.inventory import CertificateEntry, entry
from components.pki.keys import AUTHORITY_USES, hours, private_key_args
from components.pki.leaves import AuthorityName
from components.pki.subject import subject_args, subject_text


class Authority(pulumi.ComponentResource):
    """A generation of an authority. Resource names carry the generation, so that a next one can stand beside it."""

    cert_pem: pulumi.Output[str]
    private_key_pem: pulumi.Output[str]
    entry: pulumi.Output[CertificateEntry]

    def __init__(
        self, name: AuthorityName, pki: Pki, generation: int = 1, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hardway:pki:Authority", f"{name}-ca-{generation}", {}, opts)
        # Children do not take the option from their component.
        child = pulumi.ResourceOptions(parent=self, protect=opts.protect if opts else None)
        self.common_name = f"{name}-ca-{generation}"
        key = tls.PrivateKey(self.common_name, **private_key_args(pki.algorithm), opts=child)
        subject = {"common_name": self.common_name, "organization": pki.subject.organization}
        cert = tls.SelfSignedCert(
            self.common_name,
            private_key_pem=key.private_key_pem,
            is_ca_certificate=True,
            set_subject_key_id=True,
            allowed_uses=AUTHORITY_USES,
            subject=tls.SelfSignedCertSubjectArgs(**subject_args(pki.subject, **subject)),
            validity_period_hours=hours(pki.authorities.lifetime),
            early_renewal_hours=hours(pki.authorities.renew_before),
            opts=child,
        )
        self.cert_pem = cert.cert_pem
        self.private_key_pem = key.private_key_pem
        self.entry = cert.validity_end_time.apply(
            lambda not_after: entry(
                name=self.common_name,
                use="authority",
                subject=subject_text(pki.subject, **subject),
                sans=(),
                issuer=self.common_name,
                not_after=not_after,
                renew_before_hours=hours(pki.authorities.renew_before),
            )
        )
        self.register_outputs({"certPem": self.cert_pem})
