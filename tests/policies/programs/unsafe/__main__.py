"""Violates nearly all policies, as far as the plugins of a local cluster can do it."""

import pulumi
import pulumi_command as command
import pulumi_tls as tls

SERVER, CLIENT = "server_auth", "client_auth"


def key(name: str, **args) -> tls.PrivateKey:
    return tls.PrivateKey(name, **({"algorithm": "ECDSA", "ecdsa_curve": "P256"} | args))


ca_key = key("short-ca-1")
ca = tls.SelfSignedCert(
    "short-ca-1",
    private_key_pem=ca_key.private_key_pem,
    is_ca_certificate=True,
    allowed_uses=["cert_signing"],
    subject={"common_name": "short"},
    validity_period_hours=4400,
    early_renewal_hours=2200,
)


def leaf(name: str, private: tls.PrivateKey, group: str | None = None, **args) -> None:
    subject = {"common_name": name, "organization": group}
    request = tls.CertRequest(name, private_key_pem=private.private_key_pem, subject=subject)
    wanted = {"allowed_uses": [SERVER], "validity_period_hours": 4000, "early_renewal_hours": 1000}
    tls.LocallySignedCert(
        name,
        cert_request_pem=request.cert_request_pem,
        ca_cert_pem=ca.cert_pem,
        ca_private_key_pem=ca_key.private_key_pem,
        **(wanted | args),
    )


leaf("weak", key("weak", algorithm="RSA", ecdsa_curve=None, rsa_bits=1024))
leaf("p224", key("p224", ecdsa_curve=None))
leaf("edwards", key("edwards", algorithm="ED25519", ecdsa_curve=None))
shared = key("shared")
leaf("shared-a", shared)
leaf("shared-b", shared)
leaf("long", key("long"), validity_period_hours=9000)
leaf("late", key("late"), early_renewal_hours=1)
leaf("early", key("early"), early_renewal_hours=3000)
leaf("brief", key("brief"), validity_period_hours=24, early_renewal_hours=12)
leaf("signer", key("signer"), is_ca_certificate=True)
leaf("both", key("both"), allowed_uses=[SERVER, CLIENT])
leaf("root", key("root"), "system:masters", allowed_uses=[CLIENT])

ssh = tls.PrivateKey("ssh", algorithm="ED25519")
pem = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIHush\n-----END EC PRIVATE KEY-----"
command.remote.Command(
    "stage",
    connection={"host": "192.0.2.1", "user": "root", "private_key": "not one"},
    create=f"echo '{pem}' >/etc/key",
    update="etcd --listen-client-urls=http://0.0.0.0:2379; curl -fsS https://example.org/etcd >/usr/bin/etcd",
)
pulumi.export("endpoint", "http://192.0.2.1:6443")
pulumi.export("nodes", {name: {"address": "192.0.2.1", "roles": ["etcd", "control-plane"]} for name in ("a", "b")})
