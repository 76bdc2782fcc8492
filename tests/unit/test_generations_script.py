"""The scripts of a rotation: which steps a machine refuses, which credential a kubelet uses, and how it is renewed."""

import base64
import json
import subprocess
from pathlib import Path

import pytest
from authorities import CLIENTS_ONLY, intermediate, make, pem, root
from scratch_machine import ReleaseMachine, ScratchMachine

from components.node import scripts


@pytest.fixture
def machine(tmp_path: Path) -> ScratchMachine:
    """A machine with the folders that a kubelet uses."""
    made = ScratchMachine(tmp_path)
    (made.root / "ssl/kubelet").mkdir(parents=True)
    (made.root / "cfg").mkdir()
    (made.sysroot / "var/lib/kubelet/pki").mkdir(parents=True)
    return made


# --- steps ---------------------------------------------------------------------------------------------------------


def step(machine: ScratchMachine, old: str | None, new: str | None) -> subprocess.CompletedProcess[str]:
    """The step from a release with the table `old` to a release with the table `new`. None: there is no table."""
    folders = []
    for name, table in (("old", old), ("new", new)):
        folder = machine.root / name / "cfg"
        folder.mkdir(parents=True)
        if table is not None:
            (folder / "generations").write_text(table)
        folders.append(str(folder.parent))
    return machine.call(["generations"], f'fail() {{ echo "$*" >&2; exit 1; }}; refuse_rotation {" ".join(folders)}')


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("etcd 1 1\n", "etcd 1 1 2\n"),
        ("etcd 1 1 2\n", "etcd 2 1 2\n"),
        ("etcd 2 1 2\n", "etcd 1 1 2\n"),
        ("etcd 2 1 2\n", "etcd 2 2\n"),
        ("etcd 1 1 2\n", "etcd 1 1\n"),
        (None, "etcd 1 1 2\n"),
        ("etcd 10 10\n", "etcd 10 10 11\n"),
        # The node gets another role, and with the role the generations of another key.
        ("kubernetes 1 1\n", "kubernetes 1 1\netcd 5 5\n"),
        ("etcd 2 2\n", None),
    ],
)
def test_steps_in_order(machine: ScratchMachine, old: str | None, new: str | None) -> None:
    done = step(machine, old, new)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("etcd 1 1\n", "etcd 2 1 2\n", "generation 2 of the key etcd cannot be used: this machine trusts 1 so far"),
        (None, "etcd 2 1 2\n", "generation 2 of the key etcd cannot be used: this machine trusts 1 so far"),
        (
            "etcd 1 1 2\n",
            "etcd 2 2\n",
            "generation 1 of the key etcd is in use on this machine and has to stay trusted",
        ),
        ("etcd 10 10\n", "etcd 1 1 10\n", "generation 1 of the key etcd cannot be used"),
        ("kubernetes 2 2\netcd 1 1\n", "kubernetes 2 2\netcd 2 2\n", "of the key etcd"),
    ],
)
def test_steps_out_of_order(machine: ScratchMachine, old: str | None, new: str, said: str) -> None:
    done = step(machine, old, new)
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.rstrip().endswith("Nothing was changed")


# --- the credential of a kubelet that requests a certificate -------------------------------------------------------


class Joining:
    """A node whose kubelet will start: `now` and the `end` of its token are in seconds since 1970."""

    def __init__(self, machine: ScratchMachine, now: int, end: int) -> None:
        self.machine = machine
        (machine.root / "ssl/kubelet/bootstrap-token").write_text("abcdef.0123456789abcdef")
        (machine.root / "ssl/kubelet/bootstrap-token-end").write_text(f"{end}\n")
        (machine.root / "cfg/api-servers").write_text("10.0.0.1:6443\n10.0.0.2:6443\n")
        machine.program("date", f"echo {now}\n")
        machine.program("sleep")

    def answers(self, *codes: str) -> None:
        """Let API servers answer with these HTTP status codes, one after the other."""
        queue = self.machine.folder / "answers"
        queue.write_text("".join(f"{code}\n" for code in codes))
        self.machine.program("curl", f"cat >/dev/null; head -n 1 {queue} | tr -d '\\n'; sed -i 1d {queue}\n")

    def chosen(self) -> str:
        """The kubeconfig that the script chooses."""
        done = self.machine.run("kubelet_credential")
        assert done.returncode == 0, done.stderr
        return (self.machine.sysroot / "run/hardway/kubelet-bootstrap.kubeconfig").readlink().name


def test_a_node_that_joins_waits_until_every_api_server_knows_its_token(machine: ScratchMachine) -> None:
    joining = Joining(machine, now=100, end=3700)
    # In the first two rounds a server does not know the token yet. In the last round the first server does not answer.
    joining.answers("200", "401", "401", "000", "200", "surplus")
    assert joining.chosen() == "kubelet-token.kubeconfig"
    assert (machine.folder / "answers").read_text() == "surplus\n"
    assert not any("abcdef" in call for call in machine.calls)


def test_after_the_end_of_its_token_a_node_joins_as_itself(machine: ScratchMachine) -> None:
    joining = Joining(machine, now=3700, end=3700)
    joining.answers()
    assert joining.chosen() == "kubelet-identity.kubeconfig"
    assert not [call for call in machine.calls if call.startswith("curl")]


@pytest.mark.parametrize("left", ["kubelet-client-current.pem", "kubelet-client-current.pem.before"])
def test_a_node_that_has_joined_asks_as_itself(machine: ScratchMachine, left: str) -> None:
    joining = Joining(machine, now=100, end=3700)
    joining.answers("200", "200")
    pki = machine.sysroot / "var/lib/kubelet/pki"
    (pki / "kubelet-client-1.pem").touch()
    (pki / left).symlink_to("kubelet-client-1.pem")
    assert joining.chosen() == "kubelet-identity.kubeconfig"


# --- renewal -------------------------------------------------------------------------------------------------------


class Renewing:
    """A node before a renewal. The authority `two` and the key `key-two` are in use."""

    def __init__(self, machine: ScratchMachine) -> None:
        self.machine = machine
        self.pki = machine.sysroot / "var/lib/kubelet/pki"
        self.current = self.pki / "kubelet-client-current.pem"
        self.volume = machine.sysroot / "var/lib/kubelet/pods/uid/volumes/kubernetes.io~projected/api/..data-1"
        self.volume.mkdir(parents=True)
        for name in ("one", "two"):
            self.authority(name)
        (machine.root / "ssl/kubelet/issuer.pem").write_text((machine.folder / "two.pem").read_text())
        (machine.root / "ssl/kubelet/service-account-key-ids").write_text("key-two\nkey-one\n")
        machine.program("sleep")
        self.health("true")

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

    def kubelet_starts(self, certificate: str = "", token: str = "") -> None:
        """Let a starting kubelet get this certificate if it has none, and renew the token of its pod with this key."""
        get = f"[ -e {self.current} ] || ln -s kubelet-client-{certificate}.pem {self.current}\n" if certificate else ""
        renew = f"printf %s '{token_of(token)}' >{self.volume}/token\n" if token else ""
        self.machine.program("systemctl", get + renew)

    def health(self, command: str) -> None:
        """What tells the health of the kubelet."""
        check = self.machine.root / "current/health/kubelet.service"
        check.parent.mkdir(parents=True, exist_ok=True)
        check.write_text(command)

    def run(self, limit: int = 20) -> subprocess.CompletedProcess[str]:
        return self.machine.run("kubelet_renew", "kubernetes", "2", HARDWAY_RENEW_LIMIT=str(limit))

    @property
    def restarts(self) -> int:
        return sum(call.startswith("systemctl restart kubelet.service") for call in self.machine.calls)


def token_of(key: str) -> str:
    """A token with the id of a key in its header."""
    header = base64.urlsafe_b64encode(json.dumps({"alg": "ES256", "kid": key}, separators=(",", ":")).encode())
    return f"{header.decode().rstrip('=')}.e30.c2ln"


@pytest.fixture
def renewing(machine: ScratchMachine) -> Renewing:
    """A node, before a renewal."""
    return Renewing(machine)


def test_nothing_restarts_where_everything_is_of_the_generation_in_use(renewing: Renewing) -> None:
    renewing.has("two", "key-two")
    assert renewing.run().returncode == 0
    assert renewing.restarts == 0


def test_a_certificate_of_another_authority_is_put_aside(renewing: Renewing) -> None:
    renewing.has("one", "key-two")
    renewing.kubelet_starts(certificate="two")
    done = renewing.run()
    assert done.returncode == 0, done.stderr
    assert renewing.restarts == 1
    assert renewing.current.readlink().name == "kubelet-client-two.pem"
    assert {path.name for path in renewing.pki.iterdir()} == {"kubelet-client-current.pem", "kubelet-client-two.pem"}


def test_a_kubelet_that_restarted_is_healthy_before_the_next_one_restarts(renewing: Renewing) -> None:
    asked = renewing.machine.folder / "asked"
    renewing.health(f"echo >>{asked}; [ $(wc -l <{asked}) -ge 3 ]")
    renewing.has("one", "key-two")
    renewing.kubelet_starts(certificate="two")
    assert renewing.run().returncode == 0
    assert asked.read_text().count("\n") == 3
    renewing.health("false")
    renewing.write_token("key-one")
    renewing.kubelet_starts(token="key-two")
    done = renewing.run(limit=1)
    assert done.returncode == 1
    assert "the kubelet is not healthy after 1 s" in done.stderr


def test_a_certificate_of_an_intermediate_authority_is_current(renewing: Renewing) -> None:
    """The machine has the authority without its root. The root alone does not make a certificate current."""
    leaf = make("O=system:nodes,CN=node", intermediate(), authority=False, signs=False, more=[CLIENTS_ONLY])
    (renewing.pki / "kubelet-client-given.pem").write_text(pem(leaf.certificate))
    issuer = renewing.machine.root / "ssl/kubelet/issuer.pem"
    issuer.write_text(pem(intermediate().certificate))
    renewing.has("given", "key-two")
    done = renewing.run()
    assert (done.returncode, renewing.restarts) == (0, 0), done.stderr
    issuer.write_text(pem(intermediate("O=Org,CN=another").certificate) + pem(root().certificate))
    renewing.kubelet_starts()
    assert renewing.run(limit=0).returncode == 1


def test_tokens_of_another_key_are_requested_anew(renewing: Renewing) -> None:
    renewing.has("two", "key-one")
    renewing.kubelet_starts(token="key-two")
    done = renewing.run()
    assert done.returncode == 0, done.stderr
    assert renewing.restarts == 1


def test_without_a_new_certificate_the_old_one_comes_back(renewing: Renewing) -> None:
    """The node continues with the old certificate, and the run fails."""
    renewing.has("one", "key-two")
    renewing.kubelet_starts()
    done = renewing.run(limit=0)
    assert done.returncode == 1
    assert "no certificate of the authority in use" in done.stderr
    assert renewing.current.readlink().name == "kubelet-client-one.pem"
    assert renewing.restarts == 2


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
    renewing.kubelet_starts()
    done = renewing.run(limit=0)
    assert done.returncode == 1
    assert "a token of an older key is still in use" in done.stderr
    assert str(renewing.volume / "token") in done.stderr


def test_the_scripts_travel_beside_the_release() -> None:
    assert {"generations", "kubelet_renew", "settle"} <= set(scripts.TRAVELLING)


# --- what a machine keeps ------------------------------------------------------------------------------------------


def kept(folder: Path, files: dict[str, list[str]], generations: dict[str, str]) -> set[str]:
    """Releases on a machine after the activation of `now`, each with its files in `ssl` and its generations."""
    machine = ReleaseMachine(folder)
    for name, paths in files.items():
        release = machine.release(name, {"a.service": f"{name} 1"})
        (release / "cfg").mkdir()
        (release / "cfg/generations").write_text(generations.get(name, "kubernetes 1 1\n"))
        for path in paths:
            (release / "ssl" / path).parent.mkdir(parents=True, exist_ok=True)
            (release / "ssl" / path).touch()
    machine.runs("before")
    done = machine.apply("activate", "now")
    assert done.returncode == 0, done.stderr
    return {path.name for path in (machine.root / "releases").iterdir()}


def test_releases_with_the_same_keys_are_kept(tmp_path: Path) -> None:
    same = ["kubelet/server.key"]
    assert kept(tmp_path, {"before": same, "now": same}, {}) == {"before", "now"}


def test_keys_of_a_role_that_the_machine_lost_are_gone(tmp_path: Path) -> None:
    files = {
        "before": ["kubelet/server.key", "kube-controller-manager/kubernetes-ca.key"],
        "now": ["kubelet/server.key"],
    }
    assert kept(tmp_path, files, {}) == {"now"}


@pytest.mark.parametrize(("unit", "stays"), [("kubelet.service", True), ("etcd.service", False)])
def test_the_certificate_of_the_kubelet_goes_with_the_kubelet(tmp_path: Path, unit: str, stays: bool) -> None:
    machine = ReleaseMachine(tmp_path)
    pki = machine.sysroot / "var/lib/kubelet/pki"
    pki.mkdir(parents=True)
    (pki / "kubelet-client-current.pem").write_text("certificate and key")
    machine.release("before", {"kubelet.service": "kubelet 1", "etcd.service": "etcd 1"})
    machine.release("now", {unit: "unit 1"})
    machine.runs("before")
    done = machine.apply("activate", "now")
    assert done.returncode == 0, done.stderr
    assert pki.exists() == stays


def test_keys_of_a_generation_that_is_given_up_are_gone(tmp_path: Path) -> None:
    """A release that uses a generation that is still trusted is kept: the step can be taken back."""
    files = {"older": ["a.key"], "before": ["a.key"], "now": ["a.key"]}
    steps = {"older": "kubernetes 1 1 2\n", "before": "kubernetes 2 1 2\n", "now": "kubernetes 2 2\n"}
    assert kept(tmp_path, files, steps) == {"before", "now"}


def test_encryption_keys_that_are_given_up_are_gone(tmp_path: Path) -> None:
    """A release holds every encryption key that it trusts, so also the release that uses the key of now."""
    files = {"older": ["a.key"], "before": ["a.key"], "now": ["a.key"]}
    steps = {"older": "encryption 2 2\n", "before": "encryption 2 1 2\n", "now": "encryption 2 2\n"}
    assert kept(tmp_path, files, steps) == {"older", "now"}
