"""Leaves that a signing service signs: for each leaf a draft, and a command that gets the certificate.

The key of the authority is in no state, so the tls provider cannot sign. The provider signs drafts instead, with a key
that nobody trusts. A draft has the names, the usages and the lifetime of the leaf, and the provider renews the draft as
it renews every leaf. Each new draft makes the command ask the service for a certificate with the same content.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_command as command
import pulumi_tls as tls

from components.config.durations import hours
from components.config.errors import NAMESPACE
from components.config.pki import Pki
from components.config.signing import SigningService
from components.pki.keys import AUTHORITY_USES, MADE_ONCE, private_key_args
from components.resource_names import signed_by_service

# The environment that Pulumi.yaml names has the library that reads certificates. Commands run in the project's folder.
_PROGRAM = ".venv/bin/python -m components.pki.signing_client"


@dataclass(frozen=True)
class SigningPair:
    """What the tls provider signs with: a certificate and its private key, in PEM."""

    cert_pem: pulumi.Output[str]
    private_key_pem: pulumi.Output[str]


@dataclass(frozen=True)
class Issued:
    """A certificate in PEM, and its end in RFC 3339."""

    cert_pem: pulumi.Output[str]
    not_after: pulumi.Output[str]


@dataclass(frozen=True)
class ServedBy:
    """A service on the page: `path` is where, `authority` is the certificate of the authority and its issuers."""

    path: str
    service: SigningService
    authority: str

    def issue(
        self, name: str, profile: str, request: tls.CertRequest, draft: tls.LocallySignedCert, parent: pulumi.Resource
    ) -> Issued:
        """The certificate of a leaf. A preview does not connect to the service; an `up` does so for each new draft."""
        service = self.service
        stdin: pulumi.Output[str] = pulumi.Output.json_dumps(
            {
                "name": name,
                "path": f"{NAMESPACE}:{self.path}",
                "url": service.url,
                "caBundle": service.ca_bundle,
                "authKey": service.auth_key,
                "label": service.label or "",
                "profile": getattr(service.profiles, profile),
                "lifetime": f"{NAMESPACE}:pki.profiles.{profile}.lifetime",
                "request": request.cert_request_pem,
                "draft": draft.cert_pem,
                "authority": self.authority,
            }
        )
        secret: pulumi.Output[str] = pulumi.Output.secret(stdin)
        made = command.local.Command(
            signed_by_service(name),
            create=_PROGRAM,
            stdin=secret,
            logging=command.local.Logging.NONE,
            opts=pulumi.ResourceOptions(parent=parent),
        )
        # The output of a command with a secret input is secret. It has only the certificate, which is public.
        found = pulumi.Output.unsecret(made.stdout).apply(json.loads)
        return Issued(found.apply(lambda one: str(one["certificate"])), found.apply(lambda one: str(one["notAfter"])))


def drafts_pair(label: str, pki: Pki, opts: pulumi.ResourceOptions) -> SigningPair:
    """The key that signs drafts, and its certificate. Nobody trusts it, so it is made anew if it is lost."""
    child = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(ignore_changes=list(MADE_ONCE), protect=False))
    key = tls.PrivateKey(label, **private_key_args(pki.algorithm), opts=child)
    cert = tls.SelfSignedCert(
        label,
        private_key_pem=key.private_key_pem,
        is_ca_certificate=True,
        set_subject_key_id=True,
        allowed_uses=AUTHORITY_USES,
        subject=tls.SelfSignedCertSubjectArgs(common_name=label),
        validity_period_hours=hours(pki.authorities.lifetime),
        early_renewal_hours=hours(pki.authorities.renew_before),
        opts=child,
    )
    return SigningPair(cert.cert_pem, key.private_key_pem)
