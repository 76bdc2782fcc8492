"""All certificates, keys and random secrets of one cluster."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pulumi
import pulumi_tls as tls

from components.config import Page
from components.config.backup import Backup
from components.config.durations import hours
from components.config.generations import Generations
from components.config.logins import StaticToken
from components.config.pki import Pki
from components.pki.authority import AuthorityGenerations, kept, make_generations
from components.pki.bootstrap_token import BootstrapToken, fresh_token
from components.pki.encryption import encryption_config
from components.pki.inventory import CertificateEntry, entry
from components.pki.keys import MADE_ONCE, key_id, leaf_uses, private_key_args
from components.pki.leaves import AUTHORITIES, AuthorityName, LeafSpec, plan_leaves
from components.pki.material import Material, private, public
from components.pki.names import (
    BACKUP_CREDENTIALS,
    BACKUP_KEY,
    ENCRYPTION_CONFIG,
    SERVICE_ACCOUNT_KEY_IDS,
    SERVICE_ACCOUNT_PUBLIC_KEYS,
    SERVICE_ACCOUNT_SIGNING_KEY,
    STATIC_TOKENS,
    bootstrap_token,
    bootstrap_token_end,
    certificate_of,
    certification_path,
    key_of,
    signing_certificate,
    signing_key,
    trust_bundle,
)
from components.pki.service import Issued
from components.pki.static_tokens import tokens_file
from components.pki.subject import distinguished_name, subject_args
from components.resource_names import of_generation
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


class ClusterPki(pulumi.ComponentResource):
    """The three authorities, the service-account key, every leaf, and the random secrets of the cluster.

    `material` is what node files refer to, by the names of `components/pki/names.py`.
    `certificates` is the inventory, authorities first. `backup_password` encrypts snapshots of etcd, if there are any.
    """

    authorities: dict[AuthorityName, AuthorityGenerations]
    leaves: dict[str, Leaf]
    material: dict[str, Material]
    bootstrap_tokens: dict[str, BootstrapToken]
    certificates: pulumi.Output[list[CertificateEntry]]
    backup_password: pulumi.Output[str] | None = None

    def __init__(self, name: str, args: ClusterPkiArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hardway:pki:ClusterPki", name, {}, opts)
        opts = pulumi.ResourceOptions(parent=self, protect=args.page.cluster.protect)
        pki, generations = args.page.pki, args.page.pki.generations.by_key()
        given = args.page.authorities.by_name()
        self.authorities = {
            authority: make_generations(authority, pki, generations[authority], given[authority], opts)
            for authority in AUTHORITIES
        }
        self.leaves = {spec.name: self._issue(spec, pki) for spec in plan_leaves(args.page, args.topology)}
        self.bootstrap_tokens = {node.name: self._bootstrap_token(node.name) for node in args.topology.kubelet_nodes}
        self.material = {
            **self._service_account(pki, generations["service-account"], opts),
            ENCRYPTION_CONFIG: self._encryption(generations["encryption"], opts),
        }
        if args.page.access.tokens:
            self.material[STATIC_TOKENS] = self._tokens(args.page.access.tokens, opts)
        if args.page.backup:
            self.material |= self._backup(args.page.backup, opts)
        for authority, made in self.authorities.items():
            self.material[trust_bundle(authority)] = public(made.bundle_pem)
            self.material[certification_path(authority)] = public(made.path_pem)
            self.material[signing_certificate(authority)] = public(made.signing.cert_pem)
            if not made.signing.served_by:
                key = made.signing.signs_with.private_key_pem
                self.material[signing_key(authority)] = private(key, made.signing.cert_pem)
        for node, token in self.bootstrap_tokens.items():
            self.material[bootstrap_token(node)] = private(token.text, token.id)
            self.material[bootstrap_token_end(node)] = public(token.end.apply(lambda end: f"{end}\n"))
        for leaf, issued in self.leaves.items():
            self.material[certificate_of(leaf)] = public(issued.cert_pem)
            self.material[key_of(leaf)] = private(issued.private_key_pem, issued.cert_pem)
        self.certificates = pulumi.Output.all(
            *(generation.entry for made in self.authorities.values() for generation in made.trusted.values()),
            *(leaf.entry for leaf in self.leaves.values()),
        )
        self.register_outputs({"authorities": {name: made.bundle_pem for name, made in self.authorities.items()}})

    def _issue(self, spec: LeafSpec, pki: Pki) -> Leaf:
        child = pulumi.ResourceOptions(parent=self)
        profile = getattr(pki.profiles, spec.profile)
        issuer = self.authorities[spec.authority]
        authority = issuer.signing
        # O is a group on a client certificate, so only a server takes the configured organization.
        organization = spec.organization or (pki.subject.organization if spec.profile in ("server", "peer") else None)
        subject = subject_args(pki.subject, common_name=spec.common_name, organization=organization)
        # Each generation of the authority has keys of its own: after a rotation a copy of an old key is worthless.
        key = tls.PrivateKey(of_generation(spec.name, issuer.active), **private_key_args(pki.algorithm), opts=child)
        request = tls.CertRequest(
            spec.name,
            private_key_pem=key.private_key_pem,
            subject=tls.CertRequestSubjectArgs(**subject),
            dns_names=list(spec.dns_names),
            ip_addresses=list(spec.ip_addresses),
            opts=child,
        )
        cert = tls.LocallySignedCert(
            spec.name,
            cert_request_pem=request.cert_request_pem,
            ca_cert_pem=authority.signs_with.cert_pem,
            ca_private_key_pem=authority.signs_with.private_key_pem,
            allowed_uses=leaf_uses(spec.profile, pki.algorithm),
            validity_period_hours=hours(profile.lifetime),
            early_renewal_hours=hours(profile.renew_before),
            set_subject_key_id=True,
            opts=child,
        )
        issued = Issued(cert.cert_pem, cert.validity_end_time)
        if authority.served_by:
            issued = authority.served_by.issue(spec.name, spec.profile, request, cert, self)
        line = issued.not_after.apply(
            lambda not_after: entry(
                name=spec.name,
                use=spec.profile,
                subject=distinguished_name(subject),
                sans=(*spec.dns_names, *spec.ip_addresses),
                issuer=authority.common_name,
                not_after=not_after,
                renew_before_hours=hours(profile.renew_before),
            )
        )
        # A server shows how older generations, and the root of an organisation, lead to its certificate.
        shown = issuer.shown if spec.profile == "server" else ()
        return Leaf(pulumi.Output.concat(issued.cert_pem, *shown), key.private_key_pem, line)

    def _service_account(self, pki: Pki, generations: Generations, opts: pulumi.ResourceOptions) -> dict[str, Material]:
        """Keys of ServiceAccount tokens: the public keys of all trusted generations, the private key of the active."""
        opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(ignore_changes=list(MADE_ONCE)))
        arguments = private_key_args(pki.algorithm)
        keys = {
            number: tls.PrivateKey(f"service-account-{number}", **arguments, opts=kept(opts, number, generations))
            for number in generations.trusted
        }
        signing = keys[generations.active]
        return {
            SERVICE_ACCOUNT_PUBLIC_KEYS: public(pulumi.Output.concat(*(key.public_key_pem for key in keys.values()))),
            SERVICE_ACCOUNT_SIGNING_KEY: private(signing.private_key_pem, signing.public_key_pem),
            SERVICE_ACCOUNT_KEY_IDS: public(
                pulumi.Output.concat(
                    *(keys[number].public_key_pem.apply(_key_id_line) for number in generations.active_first)
                )
            ),
        }

    def _encryption(self, generations: Generations, opts: pulumi.ResourceOptions) -> Material:
        """The EncryptionConfiguration. Its public identity is its digest: no digest reveals keys of 256 random bits."""
        order = generations.active_first
        keys = [
            self._stash(f"encryption-key-{number}", _random_key(), kept(opts, number, generations)) for number in order
        ]
        config = pulumi.Output.all(*keys).apply(lambda known: encryption_config(list(zip(order, known, strict=True))))
        return _by_digest(config)

    def _backup(self, backup: Backup, opts: pulumi.ResourceOptions) -> dict[str, Material]:
        """The password of the snapshots, and the credentials of their place. Digests of both reveal neither."""
        password = self._stash("backup-password", _random_key(), opts)
        self.backup_password = password
        material = {BACKUP_KEY: _by_digest(password)}
        if credentials := backup.to.credentials():
            material[BACKUP_CREDENTIALS] = _by_digest(pulumi.Output.secret(credentials))
        return material

    def _tokens(self, tokens: Sequence[StaticToken], opts: pulumi.ResourceOptions) -> Material:
        """The file with static tokens. People choose tokens, so the public identity is no plain digest of the file."""
        salt = self._stash("static-tokens-salt", _random_key(), opts)
        content = tokens_file(tokens)
        identity = salt.apply(lambda key: hmac.new(key.encode(), content.encode(), hashlib.sha256).hexdigest())
        return private(pulumi.Output.secret(content), pulumi.Output.unsecret(identity))

    def _bootstrap_token(self, node: str) -> BootstrapToken:
        made = self._stash(
            f"{node}-bootstrap-token", fresh_token(datetime.now(UTC)), pulumi.ResourceOptions(parent=self)
        )
        return BootstrapToken.from_text(made)

    def _stash(self, name: str, fresh: str, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
        """A random value that is made once and then kept in the (encrypted) state."""
        once = pulumi.ResourceOptions(ignore_changes=["input"], additional_secret_outputs=["output"])
        stash = pulumi.Stash(name, input=pulumi.Output.secret(fresh), opts=pulumi.ResourceOptions.merge(opts, once))
        return pulumi.Output.secret(stash.output)


def _key_id_line(public_key_pem: str) -> str:
    return f"{key_id(public_key_pem)}\n"


def _by_digest(content: pulumi.Output[str]) -> Material:
    """Material with so much randomness that its digest, which is public, does not reveal the material."""
    return private(content, pulumi.Output.unsecret(content.apply(_digest)))


def _random_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
