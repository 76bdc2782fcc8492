"""Certificates that end soon: copies of the real ones, with the same keys and names, signed by the same authorities.

pulumi-tls counts in hours, so a test cannot ask for a certificate of a minute. The copies take the place of the
originals on the machines and in the state, so that Pulumi sees what it would see after the lifetime.
"""

import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from tests.e2e.support.kubectl import write_private
from tests.e2e.support.machines import Machine
from tests.e2e.support.process import ask
from tests.e2e.support.stack import Stack

LEAF, KEY = "tls:index/locallySignedCert:LocallySignedCert", "tls:index/privateKey:PrivateKey"
_SECRET = "4dabf18193072939515e22adb298388d"
_PLACES = "find /opt/kubernetes/current/ssl/ -name '*.pem' -type f; ls /var/lib/kubelet/pki/kubelet-client-current.pem"


def end_soon(
    stack: Stack, machines: Mapping[str, Machine], end: datetime, only: Collection[str] = ()
) -> Mapping[str, str]:
    """Let every leaf end at `end`, on `machines` and in the state. Return the new leaves by the old ones, in PEM.

    `only` are names of users (common names): then no other leaf ends.
    """
    state = stack.exported(secrets=True)
    resources = state["deployment"]["resources"]
    keys = {r["urn"].rpartition("::")[2]: _plain(r["outputs"]["privateKeyPem"]) for r in resources if r["type"] == KEY}
    copies: dict[str, str] = {}
    authorities: dict[str, str] = {}
    for resource in resources:
        if resource["type"] == LEAF:
            outputs = resource["outputs"]
            authority = x509.load_pem_x509_certificate(_plain(outputs["caCertPem"]).encode())
            name = _common_name(authority.subject)
            authorities[name] = keys[name]
            old = _plain(outputs["certPem"])
            if only and _common_name(x509.load_pem_x509_certificate(old.encode()).subject) not in only:
                continue
            outputs["certPem"] = copies[old.strip()] = _copy(old, keys[name], end)
            outputs["validityEndTime"] = end.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for machine in machines.values():
        _replace(machine, copies, authorities, end)
    file = write_private(stack.temporary / "state.json", json.dumps(state))
    try:
        command = ["pulumi", "stack", "import", "--stack", stack.name, "--file", str(file)]
        ask(command, env=stack.environment(), timeout=60).ok()
    finally:
        file.unlink()
    return copies


def _common_name(name: x509.Name) -> str:
    return str(name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)


def _plain(value: Any) -> str:
    if isinstance(value, dict) and _SECRET in value:
        value = json.loads(value["plaintext"])
    assert isinstance(value, str)
    return value


def _copy(pem: str, authority_key: str, end: datetime) -> str:
    old = x509.load_pem_x509_certificate(pem.encode())
    new = x509.CertificateBuilder(old.issuer, old.subject, old.public_key(), x509.random_serial_number())
    new = new.not_valid_before(datetime.now(UTC) - timedelta(days=90)).not_valid_after(end)
    for extension in old.extensions:
        new = new.add_extension(extension.value, extension.critical)
    key = load_pem_private_key(authority_key.encode(), None)
    return new.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()  # type: ignore[arg-type]


def _replace(machine: Machine, copies: Mapping[str, str], authorities: Mapping[str, str], end: datetime) -> None:
    """Put the copies in the place of the certificates on a machine, also of that which the kubelet got by CSR."""
    for path in machine.run(_PLACES).text.split():
        first, _, rest = machine.read(path).partition("-----END CERTIFICATE-----\n")
        old = f"{first}-----END CERTIFICATE-----"
        if path.startswith("/var/lib/kubelet"):
            name = _common_name(x509.load_pem_x509_certificate(f"{old}\n".encode()).issuer)
            copy = _copy(f"{old}\n", authorities[name], end)
        elif old.strip() in copies:
            copy = copies[old.strip()]
        else:
            continue
        machine.run(f"cat >'{path}'", stdin=copy + rest).ok()
