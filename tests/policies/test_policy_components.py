"""The rule about flags and files of components, with releases of whole nodes that somebody has changed."""

import json
from typing import Any

import pytest
from authorities import make
from clusters import NAMES, cluster
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_requests import asked, made

from components.node.payload import Entry, pack
from policies import payload

RELEASE = payload.files(cluster("stacked").payload("cp-1"))
ROOT = "/opt/kubernetes"


def told(change: dict[str, tuple[str, str]], given: Any = (), release: dict[str, str] = RELEASE) -> list[str]:
    """What the rule says about the release if a text in each of these files is another one."""
    files = dict(release)
    for path, (old, new) in change.items():
        assert old in files[path], path
        files[path] = files[path].replace(old, new, 1)
    archive = pack([Entry(path, text) for path, text in files.items() if text])
    request = made("command:local:Command", "stage", {"create": "true", "stdin": archive})
    return asked(request, **({"open_component": {"paths": given}} if given else {})).get("open-component", [])


def unit(component: str, *flags: str) -> dict[str, tuple[str, str]]:
    """The unit of a component with more flags."""
    program = f"{ROOT}/bin/{component} "
    return {f"units/{component}.service": (program, program + "".join(f"\\\n  {flag} " for flag in flags))}


def without(component: str, flag: str) -> dict[str, tuple[str, str]]:
    """The unit of a component without a flag."""
    path = f"units/{component}.service"
    (line,) = (line for line in RELEASE[path].splitlines() if line.strip().startswith(f"--{flag}="))
    return {path: (f"{line}\n", "")}


@pytest.mark.parametrize("name", NAMES)
def test_releases_of_this_project_are_closed(name: str) -> None:
    made_of = cluster(name)
    for node in made_of.topology.nodes:
        assert told({}, release=payload.files(made_of.payload(node.name))) == [], node.name


def test_ways_to_log_in_and_services_that_allow_are_closed() -> None:
    """They are the matter of `outside-trust`."""
    service = {"url": "https://hooks.example.com", "certificateAuthority": make("CN=Web CA").chain}
    access = {"access.tokenWebhook": {**service, "prefix": "corp:"}, "access.authorizationWebhook": service}
    opened = cluster("stacked", access, secret=("access",))
    assert told({}, release=payload.files(opened.payload("cp-1"))) == []


KUBELET = "cfg/kubelet.json"
WRONG: list[tuple[str, dict[str, tuple[str, str]], str]] = [
    ("kubelet", unit("kubelet", "--anonymous-auth=true"), "--anonymous-auth is 'true'; allowed: false"),
    (
        "kubelet",
        unit("kubelet", "--authorization-mode=AlwaysAllow"),
        "--authorization-mode is 'AlwaysAllow'; allowed: Webhook",
    ),
    ("kubelet", unit("kubelet", "--read-only-port=10255"), "--read-only-port is '10255'; allowed: 0"),
    (
        "kubelet",
        {"units/kubelet.service": ("=/opt/kubernetes/cfg/kubelet.json", "=/etc/kubelet.json")},
        "'/etc/kubelet.json', which is not in the release",
    ),
    (
        "kubelet",
        {KUBELET: ('"enabled": false', '"enabled": true')},
        "authentication.anonymous.enabled is 'true'; allowed: false",
    ),
    ("kubelet", {KUBELET: ('"Webhook"', '"AlwaysAllow"')}, "authorization.mode is 'AlwaysAllow'; allowed: Webhook"),
    ("kubelet", {KUBELET: ('"readOnlyPort": 0', '"readOnlyPort": 10255')}, "readOnlyPort is '10255'; allowed: 0"),
    ("kubelet", {KUBELET: ('"clientCAFile"', '"clientFile"')}, "authentication.x509.clientCAFile is not set"),
    ("kubelet", {KUBELET: ("{", "")}, "'cfg/kubelet.json', which is no JSON"),
    ("kube-apiserver", without("kube-apiserver", "authorization-mode"), "so everything is allowed"),
    (
        "kube-apiserver",
        unit("kube-apiserver", "--authorization-mode=AlwaysAllow"),
        "--authorization-mode is 'AlwaysAllow'",
    ),
    ("kube-apiserver", without("kube-apiserver", "client-ca-file"), "--client-ca-file is not set"),
    ("kube-apiserver", without("kube-apiserver", "audit-policy-file"), "--audit-policy-file is not set"),
    (
        "kube-apiserver",
        without("kube-apiserver", "encryption-provider-config"),
        "--encryption-provider-config is not set",
    ),
    (
        "kube-apiserver",
        without("kube-apiserver", "kubelet-certificate-authority"),
        "--kubelet-certificate-authority is not set",
    ),
    (
        "kube-apiserver",
        without("kube-apiserver", "authentication-config"),
        "--anonymous-auth is not set; allowed: false",
    ),
    ("kube-apiserver", {"cfg/authentication.yaml": ('"/livez"', '"/api"')}, "anonymous requests are allowed for /api"),
    ("kube-apiserver", {"cfg/authentication.yaml": ('"conditions"', '"condition"')}, "allowed for every path"),
    ("kube-apiserver", unit("kube-apiserver", "--tls-min-version=VersionTLS10"), "--tls-min-version is 'VersionTLS10'"),
    (
        "kube-controller-manager",
        without("kube-controller-manager", "use-service-account-credentials"),
        "is not set; allowed: true",
    ),
    (
        "kube-scheduler",
        unit("kube-scheduler", "--authorization-always-allow-paths=/*"),
        "is '/*'; allowed: /healthz or",
    ),
    ("etcd", without("etcd", "client-cert-auth"), "--client-cert-auth is not set; allowed: true"),
    ("etcd", unit("etcd", "--peer-auto-tls"), "--peer-auto-tls is 'true'; allowed: false"),
    ("etcd", without("etcd", "trusted-ca-file"), "--trusted-ca-file is not set"),
]


@pytest.mark.parametrize(("component", "change", "message"), WRONG)
def test_a_component_that_is_open(component: str, change: dict[str, tuple[str, str]], message: str) -> None:
    (found,) = told(change)
    assert found.startswith(f"stage: units/{component}.service: {component}: ") and message in found, found


def test_a_drop_in_counts() -> None:
    """It changes the configuration, and need not name what the configuration has."""
    more = {**RELEASE, "cfg/kubelet.d/20-more.conf": json.dumps({"authentication": {"anonymous": {"enabled": True}}})}
    (found,) = told({}, release=more)
    assert "cfg/kubelet.d/20-more.conf: authentication.anonymous.enabled is 'true'" in found
    assert told({}, release={**more, "cfg/kubelet.d/20-more.conf": json.dumps({"maxPods": 50})}) == []


def test_an_authorizer_of_a_file_counts() -> None:
    service = {"url": "https://hooks.example.com", "certificateAuthority": make("CN=Web CA").chain}
    opened = cluster("stacked", {"access.authorizationWebhook": service}, secret=("access",))
    release = payload.files(opened.payload("cp-1"))
    (found,) = told({"cfg/authorization.json": ('"RBAC"', '"AlwaysAllow"')}, release=release)
    assert "an authorizer has the type 'AlwaysAllow'; allowed: Node, RBAC, Webhook" in found


@pytest.mark.parametrize(
    "command",
    [
        f"/bin/sh -c 'exec {ROOT}/bin/kubelet --anonymous-auth=true'",
        f"/usr/bin/env X=1 {ROOT}/bin/kubelet --config=/opt/kubernetes/cfg/kubelet.json",
        f"{ROOT}/bin/kubelet --config='",
    ],
)
def test_a_command_that_cannot_be_read_is_told(command: str) -> None:
    release = {**RELEASE, "units/kubelet.service": f"[Service]\nExecStart={command}\n"}
    assert [text.split(": ")[2] for text in told({}, release=release)] == ["kubelet"]


def test_paths_without_a_credential_are_a_setting() -> None:
    change = {"cfg/authentication.yaml": ('"/livez"', '"/version"')}
    assert told(change) and not told(change, given=["/version", "/readyz", "/healthz"])


OPENING = {
    "kubelet": {"anonymous-auth": "true", "authorization-mode": "AlwaysAllow", "read-only-port": "10255"},
    "kube-apiserver": {"authorization-mode": "RBAC,AlwaysAllow", "tls-min-version": "VersionTLS11"},
    "etcd": {"client-cert-auth": "false", "auto-tls": "true", "peer-client-cert-auth": "0"},
}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_flag_is_found_wherever_and_however_it_is_written(data: st.DataObject) -> None:
    component = data.draw(st.sampled_from(sorted(OPENING)))
    name = data.draw(st.sampled_from(sorted(OPENING[component])))
    value = OPENING[component][name]
    if data.draw(st.booleans()) and component != "etcd":
        name = name.replace("-", "_")
    quote = data.draw(st.sampled_from(["", '"', "'"]))
    separator = data.draw(st.sampled_from(["=", " "]))
    dashes = "-" if component == "etcd" and data.draw(st.booleans()) else "--"
    path = f"units/{component}.service"
    lines = RELEASE[path].splitlines(keepends=True)
    places = [index for index, line in enumerate(lines) if line.endswith("\\\n")]
    at = data.draw(st.sampled_from(places))
    text = f"  {dashes}{name}{separator}{quote}{value}{quote} \\\n"
    release = {**RELEASE, path: "".join([*lines[: at + 1], text, *lines[at + 1 :]])}
    assert len(told({}, release=release)) == 1
