"""Everything that is signed, or kept secret, in one cluster."""

from __future__ import annotations

import base64
import secrets
import string
from dataclasses import dataclass, field

import pulumi
import pulumi_tls as tls

from components.config import Page
from components.config.pki import Pki
from components.node.render.api_policies import encryption_config
from components.pki.authority import Authority
from components.pki.inventory import CertificateEntry, entry
from components.pki.keys import hours, leaf_uses, private_key_args
from components.pki.leaves import AuthorityName, LeafSpec, plan_leaves
from components.pki.material import Material, private, public
from components.pki.subject import subject_args, subject_text
from components.topology import Topology


@dataclass(frozen=True)
class Leaf:
    """An issued leaf: PEM texts, and its line of the inventory."""

    cert_pem: pulumi.Output[str]
    private_key_pem: pulumi.Output[str]
    entry: pulumi.Output[CertificateEntry]


@dataclass(frozen=True)
class ClusterPkiArgs:
    """What the PKI is made from: lifetimes, algorithm and subject of the page; names and addresses of the topology."""

    page: Page
    topology: Topology


@dataclass(frozen=True)
class BootstrapToken:
    """A kubelet's first credential: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/."""

    id: pulumi.Output[str]
    secret: pulumi.Output[str] = field(repr=False)


class ClusterPki(pulumi.ComponentResource):
    """The three authorities, the service-account key, every leaf, and the random secrets of the cluster.

    `material` is what node files refer to by name: `<authority>-ca:cert`, `<authority>-ca:key`, `<leaf>:cert`,
    `<leaf>:key`, `service-account:key`, `service-account:pub`, `bootstrap-token`, `encryption-config`.
    `certificates` is the inventory, authorities first.
    """

    authorities: dict[AuthorityName, Authority]
    leaves: dict[str, Leaf]
    material: dict[str, Material]
    bootstrap_token: BootstrapToken
    certificates: pulumi.Output[list[CertificateEntry]]

    def __init__(self, name: str, args: ClusterPkiArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hardway:pki:ClusterPki", name, {}, opts)
        kept = pulumi.ResourceOptions(parent=self, protect=args.page.cluster.protect)
        pki = args.page.pki
        names: tuple[AuthorityName, ...] = ("kubernetes", "etcd", "front-proxy")
        self.authorities = {authority: Authority(authority, pki, opts=kept) for authority in names}
        self.leaves = {spec.name: self._issue(spec, pki) for spec in plan_leaves(args.page, args.topology)}
        service_account = tls.PrivateKey("service-account-1", **private_key_args(pki.algorithm), opts=kept)
        token_id, token_secret = self._bootstrap_token()
        self.bootstrap_token = BootstrapToken(token_id, token_secret)

        self.material = {
            "service-account:pub": public(service_account.public_key_pem),
            "service-account:key": private(service_account.private_key_pem, service_account.public_key_pem),
            "bootstrap-token": private(pulumi.Output.concat(token_id, ".", token_secret), "bootstrap token 1"),
            "encryption-config": private(self._encryption_config(kept), "secretbox key 1"),
        }
        pairs: dict[str, Authority | Leaf] = {f"{n}-ca": a for n, a in self.authorities.items()} | self.leaves
        for key, pair in pairs.items():
            self.material[f"{key}:cert"] = public(pair.cert_pem)
            self.material[f"{key}:key"] = private(pair.private_key_pem, pair.cert_pem)
        self.certificates = pulumi.Output.all(
            *(a.entry for a in self.authorities.values()), *(leaf.entry for leaf in self.leaves.values())
        )
        self.register_outputs({"authorities": {n: a.cert_pem for n, a in self.authorities.items()}})

    def _issue(self, spec: LeafSpec, pki: Pki) -> Leaf:
        child = pulumi.ResourceOptions(parent=self)
        profile = getattr(pki.profiles, spec.profile)
        authority = self.authorities[spec.authority]
        # O is a group on a client certificate, so only a server takes the configured organization.
        organization = spec.organization or (pki.subject.organization if spec.profile in ("server", "peer") else None)
        subject = {"common_name": spec.common_name, "organization": organization}
        key = tls.PrivateKey(spec.name, **private_key_args(pki.algorithm), opts=child)
        request = tls.CertRequest(
            spec.name,
            private_key_pem=key.private_key_pem,
            subject=tls.CertRequestSubjectArgs(**subject_args(pki.subject, **subject)),
            dns_names=list(spec.dns_names),
            ip_addresses=list(spec.ip_addresses),
            opts=child,
        )
        cert = tls.LocallySignedCert(
            spec.name,
            cert_request_pem=request.cert_request_pem,
            ca_cert_pem=authority.cert_pem,
            ca_private_key_pem=authority.private_key_pem,
            allowed_uses=leaf_uses(spec.profile, pki.algorithm),
            validity_period_hours=hours(profile.lifetime),
            early_renewal_hours=hours(profile.renew_before),
            set_subject_key_id=True,
            opts=child,
        )
        line = cert.validity_end_time.apply(
            lambda not_after: entry(
                name=spec.name,
                use=spec.profile,
                subject=subject_text(pki.subject, **subject),
                sans=(*spec.dns_names, *spec.ip_addresses),
                issuer=authority.common_name,
                not_after=not_after,
                renew_before_hours=hours(profile.renew_before),
            )
        )
        return Leaf(cert.cert_pem, key.private_key_pem, line)

    def _encryption_config(self, kept: pulumi.ResourceOptions) -> pulumi.Output[str]:
        key = self._stash("encryption-key-1", base64.b64encode(secrets.token_bytes(32)).decode(), kept)
        return key.apply(encryption_config)

    def _bootstrap_token(self) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
        alphabet = string.ascii_lowercase + string.digits
        parts = ["".join(secrets.choice(alphabet) for _ in range(length)) for length in (6, 16)]
        token = self._stash("bootstrap-token-1", ".".join(parts), pulumi.ResourceOptions(parent=self))
        return token.apply(lambda text: text.split(".")[0]), token.apply(lambda text: text.split(".")[1])

    def _stash(self, name: str, fresh: str, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
        """A random value that is made once and then kept in the (encrypted) state."""
        once = pulumi.ResourceOptions(ignore_changes=["input"], additional_secret_outputs=["output"])
        stash = pulumi.Stash(name, input=pulumi.Output.secret(fresh), opts=pulumi.ResourceOptions.merge(opts, once))
        return pulumi.Output.secret(stash.output)
