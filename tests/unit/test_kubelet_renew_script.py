"""How the credentials of a kubelet come to the generations in use: kubelet_renew.sh."""

import base64
import json
import subprocess
from pathlib import Path

import pytest
from authorities import CLIENTS_ONLY, intermediate, make, pem, root
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from scratch_machine import ScratchMachine

LIMIT = "hardway:rollout.healthTimeout gives them more time"
CSRS = "https://here:1/apis/certificates.k8s.io/v1/certificatesigningrequests"
REFUSED = "curl: (22) The requested URL returned error: 403"


class Renewing:
    """A node before a renewal. The authority `two` and the key `key-two` are in use. The authority `two` signs."""

    def __init__(self, machine: ScratchMachine) -> None:
        self.machine = machine
        self.pki = machine.sysroot / "var/lib/kubelet/pki"
        self.current = self.pki / "kubelet-client-current.pem"
        self.volume = machine.sysroot / "var/lib/kubelet/pods/uid/volumes/kubernetes.io~projected/api/..data-1"
        self.ssl = machine.root / "ssl/kubelet"
        for folder in (self.pki, self.volume, self.ssl, machine.root / "cfg"):
            folder.mkdir(parents=True)
        for name in ("one", "two"):
            self.authority(name)
        self.issuer = self.ssl / "issuer.pem"
        self.issuer.write_text((machine.folder / "two.pem").read_text())
        (self.ssl / "service-account-key-ids").write_text("key-two\nkey-one\n")
        identity = make("O=system:nodes,CN=system:node:worker-1", authority=False, signs=False)
        (self.ssl / "client.pem").write_text(identity.chain)
        (machine.root / "cfg/kubelet-identity.kubeconfig").write_text(
            json.dumps({"server": "https://here:1"}, indent=2)
        )
        machine.program("sleep")
        machine.program("systemctl")
        self.health("true")
        self.cluster_signs("two")

    def openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=30)

    def authority(self, name: str) -> None:
        """Make a certificate authority, and a client certificate for the kubelet that this authority signed."""
        at = self.machine.folder
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc")
        made = ("-keyout", f"{at}/{name}.key", "-out", f"{at}/{name}.pem")
        self.openssl("req", "-x509", "-subj", f"/CN={name}", "-days", "1", *key, *made)
        signed = ("-CA", f"{at}/{name}.pem", "-CAkey", f"{at}/{name}.key", "-addext", "extendedKeyUsage=clientAuth")
        leaf = ("-keyout", f"{at}/leaf.key", "-out", f"{self.pki}/kubelet-client-{name}.pem")
        self.openssl("req", "-x509", "-subj", "/CN=node", "-days", "1", *key, *signed, *leaf)

    def has(self, certificate: str, token: str) -> None:
        """Give the kubelet the certificate of an authority, and its pod a token that the key `token` signed."""
        self.current.symlink_to(f"kubelet-client-{certificate}.pem")
        self.write_token(token)

    def write_token(self, key: str) -> None:
        (self.volume / "token").write_text(token_of(key))
        (self.volume / "ca.crt").write_text("-----BEGIN CERTIFICATE-----\n")

    def kubelet_starts(self, token: str) -> None:
        """Let a starting kubelet renew the token of its pod with this key."""
        self.machine.program("systemctl", f"printf %s '{token_of(token)}' >{self.volume}/token\n")

    def cluster_signs(self, authority: str) -> None:
        """What answers requests about certificates. With an empty `authority` nobody signs them."""
        at = self.machine.folder
        sign = f"""openssl x509 -req -in {at}/request -CA {at}/{authority}.pem -CAkey {at}/{authority}.key -days 1 \\
            -extfile {at}/extensions 2>/dev/null | base64 -w 0 | sed 's/.*/    "certificate": "&"/'
        """
        (at / "extensions").write_text("extendedKeyUsage=clientAuth\n")
        self.machine.program(
            "curl",
            f"""case "$*" in
            *--data-binary*)
                cat >{at}/posted
                sed -n 's/.*"request": "\\([^"]*\\)".*/\\1/p' {at}/posted | base64 -d >{at}/request ;;
            *) {sign if authority else "echo '{}'"} ;;
            esac
            """,
        )

    def health(self, command: str) -> None:
        """What tells the health of the kubelet."""
        check = self.machine.root / "current/health/kubelet.service"
        check.parent.mkdir(parents=True, exist_ok=True)
        check.write_text(command)

    def run(self, limit: int = 20) -> subprocess.CompletedProcess[str]:
        return self.machine.run("kubelet_renew", "kubernetes", "2", HARDWAY_RENEW_LIMIT=str(limit))

    def issued(self) -> str:
        """The name in the present certificate, whose key is in the same file. The authority `two` has signed it."""
        text = self.current.read_text()
        certificate = x509.load_pem_x509_certificate(text.encode())
        key = load_pem_private_key(text[text.index("-----BEGIN EC") :].encode(), None)
        assert certificate.public_key() == key.public_key()
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(self.issuer.read_bytes()))
        (name,) = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return str(name.value)

    @property
    def restarts(self) -> int:
        return sum(call.startswith("systemctl restart kubelet.service") for call in self.machine.calls)


def token_of(key: str) -> str:
    """A token with the id of a key in its header."""
    header = base64.urlsafe_b64encode(json.dumps({"alg": "ES256", "kid": key}, separators=(",", ":")).encode())
    return f"{header.decode().rstrip('=')}.e30.c2ln"


@pytest.fixture
def renewing(tmp_path: Path) -> Renewing:
    """A node, before a renewal."""
    return Renewing(ScratchMachine(tmp_path))


def test_nothing_restarts_where_everything_is_of_the_generation_in_use(renewing: Renewing) -> None:
    renewing.has("two", "key-two")
    assert renewing.run().returncode == 0
    assert renewing.restarts == 0


def test_a_kubelet_restarts_with_a_certificate_of_the_authority_in_use(renewing: Renewing) -> None:
    """Its node would be reported as not ready if it started without a certificate."""
    renewing.has("one", "key-two")
    renewing.machine.program("systemctl", f"cp {renewing.current} {renewing.machine.folder}/at-the-restart\n")
    done = renewing.run()
    assert done.returncode == 0, done.stderr
    assert renewing.restarts == 1
    assert renewing.issued() == "system:node:worker-1"
    assert (renewing.machine.folder / "at-the-restart").read_text() == renewing.current.read_text()
    assert {path.name for path in renewing.pki.iterdir()} == {renewing.current.name, renewing.current.readlink().name}
    assert renewing.current.stat().st_mode & 0o777 == 0o600
    # Nothing of the key stays elsewhere, and a second run does nothing.
    assert not list((renewing.machine.sysroot / "run/hardway").glob("kubelet-renew-*"))
    assert renewing.run().returncode == 0 and renewing.restarts == 0


def test_the_request_is_one_that_the_cluster_approves(renewing: Renewing) -> None:
    """The rules of the signer `kubernetes.io/kube-apiserver-client-kubelet`.

    https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers
    """
    renewing.has("one", "key-two")
    assert renewing.run().returncode == 0
    posted = json.loads((renewing.machine.folder / "posted").read_text())
    assert posted["spec"]["signerName"] == "kubernetes.io/kube-apiserver-client-kubelet"
    assert posted["spec"]["usages"] == ["digital signature", "client auth"]
    request = x509.load_pem_x509_csr(base64.b64decode(posted["spec"]["request"]))
    assert request.subject.rfc4514_string() == "CN=system:node:worker-1,O=system:nodes"
    calls = [call for call in renewing.machine.calls if call.startswith("curl")]
    assert [call.split()[-1].removesuffix(posted["metadata"]["name"]) for call in calls] == [CSRS, f"{CSRS}/"]


def test_a_run_that_was_killed_before_the_restart_is_completed(renewing: Renewing) -> None:
    renewing.has("one", "key-two")
    renewing.machine.killing("systemctl")
    assert renewing.run().returncode == -9
    assert renewing.issued() == "system:node:worker-1"
    renewing.machine.program("systemctl")
    assert renewing.run().returncode == 0
    assert renewing.restarts == 1


def test_another_authority_than_the_one_in_use_signs_nothing_that_is_used(renewing: Renewing) -> None:
    renewing.has("one", "key-two")
    renewing.cluster_signs("one")
    done = renewing.run()
    assert (done.returncode, renewing.restarts) == (1, 0)
    assert "the cluster signs certificates of kubelets with another authority than the one in use" in done.stderr
    assert renewing.current.readlink().name == "kubelet-client-one.pem"


def test_a_kubelet_that_restarted_is_healthy_before_the_next_one_restarts(renewing: Renewing) -> None:
    asked = renewing.machine.folder / "asked"
    renewing.health(f"echo >>{asked}; [ $(wc -l <{asked}) -ge 3 ]")
    renewing.has("one", "key-two")
    assert renewing.run().returncode == 0
    assert asked.read_text().count("\n") == 3
    renewing.health("false")
    renewing.write_token("key-one")
    renewing.kubelet_starts(token="key-two")
    done = renewing.run(limit=1)
    assert done.returncode == 1
    assert "the kubelet is not healthy after 1 s" in done.stderr
    assert LIMIT in done.stderr


def test_a_certificate_of_an_intermediate_authority_is_current(renewing: Renewing) -> None:
    """The machine has the authority without its root. The root alone does not make a certificate current."""
    leaf = make("O=system:nodes,CN=node", intermediate(), authority=False, signs=False, more=[CLIENTS_ONLY])
    (renewing.pki / "kubelet-client-given.pem").write_text(pem(leaf.certificate))
    renewing.issuer.write_text(pem(intermediate().certificate))
    renewing.has("given", "key-two")
    done = renewing.run()
    assert (done.returncode, renewing.restarts) == (0, 0), done.stderr
    renewing.issuer.write_text(pem(intermediate("O=Org,CN=another").certificate) + pem(root().certificate))
    renewing.cluster_signs("")
    assert renewing.run(limit=0).returncode == 1


def test_tokens_of_another_key_are_requested_anew(renewing: Renewing) -> None:
    renewing.has("two", "key-one")
    renewing.kubelet_starts(token="key-two")
    done = renewing.run()
    assert done.returncode == 0, done.stderr
    assert renewing.restarts == 1


@pytest.mark.parametrize("answer", [f"echo '{REFUSED}' >&2; exit 22", "echo '{}'"])
def test_without_a_new_certificate_the_kubelet_goes_on_with_the_old_one(renewing: Renewing, answer: str) -> None:
    """The API refuses the request, or nobody signs. The run fails, and the kubelet does not restart."""
    renewing.has("one", "key-two")
    renewing.machine.program("curl", f"{answer}\n")
    done = renewing.run(limit=0)
    assert (done.returncode, renewing.restarts) == (1, 0)
    assert "the kubelet has no certificate of the authority in use after 0 s" in done.stderr
    assert LIMIT in done.stderr
    assert ("403" in done.stderr) == ("403" in answer)
    assert renewing.current.readlink().name == "kubelet-client-one.pem"


def test_tokens_of_other_issuers_do_not_count(renewing: Renewing) -> None:
    """A projected volume can hold a file of another service, such as a token in a Secret."""
    renewing.has("two", "key-two")
    for number, text in enumerate((token_of("key-of-a-stranger"), "eyJ", "eyJhbGciOiJub25lIn0.e30.")):
        (renewing.volume / f"foreign-{number}").write_text(text)
    done = renewing.run(limit=0)
    assert done.returncode == 0, done.stderr
    assert renewing.restarts == 0


def test_a_token_that_nobody_renews_is_named(renewing: Renewing) -> None:
    renewing.has("two", "key-one")
    done = renewing.run(limit=0)
    assert done.returncode == 1
    assert "a token of an older key is still in use" in done.stderr
    assert LIMIT in done.stderr
    assert str(renewing.volume / "token") in done.stderr
