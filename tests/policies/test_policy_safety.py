"""Rules about commands, artifacts and members, with requests of the real engine and releases of this project."""

import base64
import json
from typing import Any

import pytest
from clusters import cluster
from policy_requests import UNKNOWN, Request, asked, asked_stack, load, made, resource, stack

from components.machines.aws.user_data import Keys, user_data
from components.machines.local import _call
from components.node.payload import Entry, pack
from components.rollout.node_release import _stage_script

PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIHqp\n-----END EC PRIVATE KEY-----\n"
RANDOM = "Zk3vQm8sT1xYb7Nc0dWf5GhJ2LpR9uEaKi4oMzXqSlA="
DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def command(text: str, where: str = "create") -> Request:
    return made("command:local:Command", "run", {where: text})


@pytest.mark.parametrize("name", ["stage", "jump"])
@pytest.mark.parametrize("recording", ["ssh_first_preview", "ssh_later_preview"])
def test_pinned_host_keys(recording: str, name: str) -> None:
    # At the first preview the whole connection is unknown, because the same plan makes its key.
    assert asked(resource(recording, name)) == {}


@pytest.mark.parametrize("key", ["", None])
def test_host_key_that_is_not_pinned(key: str | None) -> None:
    request = resource("ssh_later_preview", "stage", "", {"connection.value.hostKey": key})
    (found,) = asked(request)["ssh-host-key"]
    assert found.startswith("stage: connection.hostKey is not set, ")
    assert "192.0.2.1" in found
    del request["properties"]["connection"]["value"]["hostKey"]
    assert "ssh-host-key" in asked(request)
    unknown = resource("ssh_later_preview", "stage", "", {"connection.value.hostKey": UNKNOWN})
    assert asked(unknown) == {}


def test_host_key_of_the_jump_host() -> None:
    request = resource("ssh_later_preview", "jump", "", {"connection.value.proxy.hostKey": ""})
    (found,) = asked(request)["ssh-host-key"]
    assert found.startswith("jump: connection.proxy.hostKey is not set, ")
    unknown = resource("ssh_later_preview", "jump", "", {"connection.value.proxy": UNKNOWN})
    assert asked(unknown) == {}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (f"echo '{PEM}' >/etc/key.pem", "a private key"),
        ("echo " + base64.b64encode(PEM.encode()).decode() + " | base64 -d >/etc/key.pem", "a private key in base64"),
        ("kubeadm join --token abcdef.0123456789abcdef 10.0.0.1", "a bootstrap token"),
        ("curl -H 'Authorization: Bearer eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJl'",
         "a JSON web token"),
        ("AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE aws s3 ls", "an AWS access key"),
        ("git clone https://ghp_abcdefghijklmnopqrstuvwxyz0123456789@github.com/x/y", "a GitHub token"),
        ("mysql --password=correct-horse", "a password or token"),
        (f"echo {RANDOM} >/etc/kubernetes/secretbox", "a random value of 44 characters"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("where", ["create", "update", "delete"])
def test_secrets_in_a_command(text: str, what: str, where: str) -> None:
    (found,) = asked(command(text, where))["secret-in-command"]
    assert found.startswith(f"run: {where} contains what looks like ")
    assert what in found
    for secret in (PEM[31:40], RANDOM, "abcdef.0123", "eyJhbGci", "AKIA", "ghp_", "correct-horse"):
        assert secret not in found


@pytest.mark.parametrize(
    "text",
    [
        f"sh /opt/kubernetes/releases/{DIGEST}/apply.sh activate {DIGEST}",
        f"echo '{DIGEST}  file' | sha256sum -c",
        "umask 022; d=$(mktemp -d /opt/kubernetes/releases/.new-XXXXXX); base64 -d | tar -xzpf - -C $d",
        "kube-apiserver --service-account-key-file=/opt/kubernetes/ssl/kubernetes/service-account.pub",
        'login --password="$PASSWORD" --token-file=/run/secrets/token',
        "/usr/lib/x86_64-linux-gnu/ImageMagick-6.9.11/config-Q16/Policy/Default0",
        "echo 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFd2ofett+AJUJEas23RsZSUswfWf/GqqUuDxGLiK2fW' >known_hosts",
        "docker pull x@sha256:" + DIGEST,
        "-----BEGIN CERTIFICATE-----\nMIIBxTCCAWygAwIBAgIQOtBNn1reMtjsJkn9QvnHjjAKBggqhkjOPQQDAjAa\n"
        "-----END CERTIFICATE-----",
    ],
)
def test_texts_without_secrets(text: str) -> None:
    assert asked(command(text)) == {}


def test_other_places_of_secrets() -> None:
    (found,) = asked(made("command:local:Command", "run", {"create": "true", "triggers": [1, PEM]}))[
        "secret-in-command"
    ]
    assert found.startswith("run: triggers[1] contains what looks like a private key")
    machine = {**load("aws")["instance-good"]["properties"], "userDataBase64": base64.b64encode(PEM.encode()).decode()}
    assert "secret-in-command" in asked(made("aws:ec2/instance:Instance", "machine", machine))
    places = (
        {"environment": {"DB_PASSWORD": "correct-horse"}},
        {"environment": {"X": RANDOM}},
        {"interpreter": ["sh", "-c", "mysql --password=correct-horse"]},
        {"triggers": [{"key": [PEM]}]},
    )
    for place in places:
        (found,) = asked(made("command:local:Command", "run", {"create": "true", **place}))["secret-in-command"]
        assert found.startswith(f"run: {next(iter(place))}") and "correct-horse" not in found and RANDOM not in found
    # A secret may be on standard input.
    assert asked(made("command:local:Command", "run", {"create": "true", "stdin": PEM})) == {}
    assert asked(made("command:local:Command", "run", {"create": UNKNOWN, "triggers": UNKNOWN})) == {}


def test_artifacts_of_this_projects_releases_are_pinned() -> None:
    request = made("command:local:Command", "stage", {"create": "true", "stdin": cluster("stacked").payload("cp-1")})
    assert asked(request) == {}


@pytest.mark.parametrize("digest", ["null", "None", DIGEST[:12]])
def test_artifact_without_digest(digest: str) -> None:
    table = f"{DIGEST} - http://mirror/kubectl kubectl -\n{digest} - http://mirror/etcd etcd -\n"
    request = made(
        "command:local:Command", "stage", {"create": "true", "stdin": pack([Entry("tables/artifacts", table)])}
    )
    (found,) = asked(request)["artifact-digest"]
    assert found.startswith(f"stage: http://mirror/etcd has the SHA-256 digest '{digest}'; allowed: 64 ")
    request["properties"]["stdin"] = UNKNOWN
    assert asked(request) == {}


def test_downloads_that_nobody_checks() -> None:
    for text in ("curl -fsSLo /usr/bin/x https://example.org/x", "wget -qO- https://example.org/x | sh"):
        (found,) = asked(command(text))["artifact-digest"]
        assert found.startswith("run: create downloads a file and checks no digest. ")
        assert asked(command(f"{text}; echo '{DIGEST} /usr/bin/x' | sha256sum -c")) == {}
    # A health check of the machine itself is no download.
    assert asked(command("curl -k https://127.0.0.1:6443/readyz")) == {}
    assert asked(command(UNKNOWN)) == {}


def test_a_script_on_standard_input_is_read_like_a_command() -> None:
    for where, value in (
        ("stdin", "curl -fsSLo /usr/bin/x https://example.org/x"),
        ("stdin", pack([Entry("bin/x.sh", "wget -qO- https://example.org/x | sh")])),
        ("environment", {"RUN": "curl -fsSLo /usr/bin/x https://example.org/x"}),
    ):
        (found,) = asked(made("command:local:Command", "run", {"create": "sh", where: value}))["artifact-digest"]
        assert "downloads a file and checks no digest" in found
    assert "plain-http" in asked(made("command:local:Command", "x", {"stdin": "curl HTTP://10.0.0.1:6443/readyz"}))


def test_a_release_that_cannot_be_read_is_refused() -> None:
    whole = pack([Entry("tables/artifacts", f"{DIGEST} - http://mirror/kubectl kubectl -\n")])
    assert asked(made("command:local:Command", "cp-1-stage", {"stdin": whole})) == {}
    for damaged in (whole[: len(whole) // 8 * 4], whole[4:], "A" * 400):
        (found,) = asked(made("command:local:Command", "cp-1-stage", {"stdin": damaged}))["artifact-digest"]
        assert found.startswith("cp-1-stage: stdin looks like a release and cannot be read")
    (advice,) = asked(made("command:local:Command", "cp-1-stage", {"stdin": UNKNOWN}))["release-unread"]
    assert "`make up` judges them before it runs this command" in advice


def test_a_key_in_a_file_of_a_release_hides_nothing() -> None:
    hidden = pack([Entry("units/x.service", f"{PEM}ExecStart=curl http://10.0.0.1:6443/readyz\n")])
    (found,) = asked(made("command:local:Command", "cp-1-stage", {"stdin": hidden}))["plain-http"]
    assert "MHcC" not in found


def test_the_host_key_is_the_only_key_in_user_data() -> None:
    text = user_data("cp-1", Keys(PEM, "ssh-ed25519 AAAA", ["ssh-ed25519 AAAA"]))
    good = load("aws")["instance-good"]["properties"]
    for data in (text, base64.b64encode(text.encode()).decode()):
        name = "userData" if data is text else "userDataBase64"
        assert asked(made("aws:ec2/instance:Instance", "machine", {**good, name: data})) == {}
    config = json.loads(text.removeprefix("#cloud-config\n"))
    for change in ({"runcmd": [["sh", "-c", f"echo '{PEM}'"]]}, {"write_files": [{"content": PEM}]}):
        other = f"#cloud-config\n{json.dumps(config | change)}"
        request = made("aws:ec2/instance:Instance", "machine", {**good, "userData": other})
        assert "a private key" in asked(request)["secret-in-command"][0]


def workload(kind: str, image: Any) -> Request:
    pod = {"containers": [{"name": "x", "image": image}], "initContainers": [{"name": "y", "image": image}]}
    spec = {"template": {"spec": pod}}
    return made(kind, "x", {"spec": {"jobTemplate": {"spec": spec}} if kind.endswith("CronJob") else spec})


@pytest.mark.parametrize("kind", ["apps/v1:DaemonSet", "apps/v1:Deployment", "batch/v1:Job", "batch/v1:CronJob"])
def test_images(kind: str) -> None:
    request = workload(f"kubernetes:{kind}", "docker.io/coredns/coredns:1.15.0")
    (found,) = asked(request)["image-digest"]
    assert found.startswith("x: the image docker.io/coredns/coredns:1.15.0 has no digest. ")
    assert asked(request, image_digest={"images": ["docker.io/coredns/*"]}) == {}
    assert asked(workload(f"kubernetes:{kind}", f"docker.io/coredns/coredns:1.15.0@sha256:{DIGEST}")) == {}
    assert asked(workload(f"kubernetes:{kind}", UNKNOWN)) == {}
    assert asked(made(f"kubernetes:{kind}", "x", {"spec": UNKNOWN})) == {}


def test_images_in_every_place_of_a_pod() -> None:
    pods = (
        {"volumes": [{"name": "x", "image": {"reference": "example.org/x:1"}}]},
        {"ephemeralContainers": [{"name": "x", "image": "example.org/x:1"}]},
        {"containers": [{"name": "x", "image": "example.org/x:1"}]},
    )
    for pod in pods:
        for kind, props in (
            ("core/v1:Pod", {"spec": pod}),
            ("core/v1:PodTemplate", {"template": {"spec": pod}}),
            ("apps/v1:DeploymentPatch", {"spec": {"template": {"spec": pod}}}),
            ("apps/v1:DeploymentList", {"items": [{"spec": {"template": {"spec": pod}}}]}),
            ("example.org/v2:Anything", {"spec": {"podTemplate": {"spec": pod}}}),
        ):
            (found,) = asked(made(f"kubernetes:{kind}", "x", props))["image-digest"]
            assert found.startswith("x: the image example.org/x:1 has no digest. ")


def test_image_of_sandboxes() -> None:
    text = "[plugins.'io.containerd.cri.v1.images'.pinned_images]\n  sandbox = 'registry.k8s.io/pause:3.10'\n"
    archive = pack([Entry("cfg/containerd.toml", text)])
    (found,) = asked(made("command:local:Command", "stage", {"create": "true", "stdin": archive}))["image-digest"]
    assert found.startswith("stage: the image registry.k8s.io/pause:3.10 has no digest. ")


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (0, None),
        (1, "1 etcd member (n1); allowed: at least 3. "),
        (2, "2 etcd members (n1, n2); allowed: at least 3. "),
        (3, None),
        (4, "4 etcd members (n1, n2, n3, n4): 4 members tolerate no more failures than 3, "),
        (5, None),
    ],
)
def test_members(count: int, message: str | None) -> None:
    nodes = {f"n{i}": {"address": "10.0.0.1", "roles": ["etcd"]} for i in range(1, count + 1)}
    nodes["worker"] = {"address": "10.0.0.9", "roles": ["worker"]}
    found = asked_stack([made("pulumi:pulumi:Stack", "policies-dev", {"nodes": nodes})]).get("etcd-members", [])
    assert [text.startswith(message or "") for text in found] == ([True] if message else [])


def test_members_of_a_stack_without_outputs() -> None:
    recorded = [r for r in stack("first_preview") if r["type"] != "pulumi:pulumi:Stack"]
    assert asked_stack(recorded)["etcd-members"][0].startswith("1 etcd member (cp-1)")
    unknown = stack("first_preview", {"Stack::policies-dev": {"nodes": UNKNOWN}})
    assert asked_stack(unknown)["etcd-members"][0].startswith("1 etcd member (cp-1)")
    assert "etcd-members" not in asked_stack(recorded, etcd_members={"least": 1})


@pytest.mark.parametrize("recording", ["first_preview", "nothing_changes"])
def test_protection(recording: str) -> None:
    key = resource(recording, "kubernetes-ca-1", "PrivateKey")
    authority = resource(recording, "kubernetes-ca-1", "SelfSignedCert")
    volume = made("aws:ebs/volume:Volume", "etcd-1", {"encrypted": True})
    stash = made("pulumi:index:Stash", "encryption-key-1", {"input": UNKNOWN})
    for request in (key, authority, volume, stash):
        (found,) = asked(request)["unprotected"]
        assert found.startswith(f"{request['name']}: not protected, ")
        assert asked({**request, "options": {**request["options"], "protect": True}}) == {}
    assert asked(resource(recording, "admin", "PrivateKey")) == {}
    assert asked(volume, unprotected={"volumes": []}) == {}
    assert asked({**authority, "name": "etcd-drafts-2"}) == {}
    assert asked(made("pulumi:index:Stash", "bootstrap-token-1", {"input": UNKNOWN})) == {}


def test_commands_of_this_project_hold_no_secret() -> None:
    for text in (
        _stage_script("9f86d081884c", "sudo -n "),
        _call("machine", "dev-1a2b3c", "cp-1", "10.100.7.11", "1:2"),
    ):
        assert asked(command(text)) == {}
