"""No secret is readable: not in commands, the state, outputs or a preview."""

import base64
import binascii
import re
from collections.abc import Iterator

import pytest
from archives import unpack
from clusters import NAMES
from recording import LOCAL, PROVIDER, REMOTE, Leaf, Recording, leaves, page, recorded

ALL = pytest.mark.parametrize("name", NAMES)
STASH = "pulumi:index:Stash"
PUBLIC = ("etcd-founders", "fixed-values", "cluster-id", "artifact-source")
"""Stashes whose values are not secret."""
BASE64 = re.compile(r"[A-Za-z0-9+/]{40,}={0,2}")
PRIVATE = "PRIVATE KEY-----"


def texts(value: object) -> Iterator[str]:
    """A value as text, and everything that is packed in the value: base64, archives."""
    if not isinstance(value, str):
        return
    yield value
    for packed in BASE64.findall(value):
        try:
            decoded = base64.b64decode(packed, validate=True)
        except binascii.Error:
            continue
        if decoded.startswith(b"\x1f\x8b"):  # gzip (RFC 1952)
            for file in unpack(packed).values():
                yield file.content
        else:
            yield from texts(decoded.decode(errors="replace"))


def secrets_of(run: Recording) -> list[str]:
    """Random values of a run."""
    values = [stash.inputs["input"] for stash in run.of(STASH) if stash.name not in PUBLIC]
    # Only the second part of the token is secret.
    return [value.rpartition(".")[2] for value in values]


def reveals(run: Recording, leaf: Leaf) -> bool:
    """Whether a value contains a private key or a random value of the run."""
    wanted = [PRIVATE, *secrets_of(run)]
    return any(secret in text for text in texts(leaf.value) for secret in wanted)


def kubelets(name: str) -> list[str]:
    """The nodes that have a kubelet."""
    return [node["name"] for node in page(name)["nodes"] if {"control-plane", "worker"} & set(node["roles"])]


@ALL
def test_there_is_something_to_hide(name: str) -> None:
    run = recorded(name)
    hidden = {r.name for r in run.resources for leaf in leaves(dict(r.raw)) if leaf.secret and reveals(run, leaf)}
    for resource in (*run.of(REMOTE), *run.of(LOCAL), *run.of(PROVIDER)):
        # The gateway has no key, and neither has the network.
        expected = resource.name not in ("lab-network", "gateway-machine")
        assert (resource.name in hidden) == expected, resource.name
    assert {f"{kubelets(name)[0]}-bootstrap-token", "encryption-key-1"} <= hidden


@ALL
def test_whatever_is_private_is_secret_in_inputs(name: str) -> None:
    run = recorded(name)
    readable = [
        f"{resource.type} {resource.name}: {leaf.path}"
        for resource in run.resources
        for leaf in leaves(dict(resource.raw))
        if not leaf.secret and reveals(run, leaf)
    ]
    assert readable == []


@ALL
def test_whatever_is_private_is_secret_in_outputs(name: str) -> None:
    run = recorded(name)
    places = {run.by_urn[urn].name: outputs for urn, outputs in run.components.items() if urn in run.by_urn}
    places["the stack"] = run.outputs
    readable = [
        f"{place}: {leaf.path}"
        for place, outputs in places.items()
        for leaf in leaves(outputs)
        if not leaf.secret and reveals(run, leaf)
    ]
    assert readable == []


@ALL
def test_command_lines_hold_nothing_private_even_as_secrets(name: str) -> None:
    """Pulumi prints the whole text of a failed command."""
    run = recorded(name)
    for resource in (*run.of(REMOTE), *run.of(LOCAL)):
        for leaf in leaves(dict(resource.raw)):
            if leaf.path.partition(".")[0] in ("create", "update", "delete", "environment", "triggers[0]"):
                assert not leaf.secret, f"{resource.name}: {leaf.path} cannot be read in a preview"
                assert not reveals(run, leaf), f"{resource.name}: {leaf.path}"


@ALL
def test_what_goes_to_a_machine_is_secret_as_a_whole(name: str) -> None:
    run = recorded(name)
    for resource in (*run.of(REMOTE), *run.of(LOCAL)):
        for leaf in leaves(dict(resource.raw)):
            if leaf.path == "stdin" or leaf.path.startswith("connection"):
                assert leaf.secret, f"{resource.name}: {leaf.path}"
    for resource in run.of(REMOTE):
        assert ("stdin" in resource.raw) == resource.name.endswith("-stage")


@ALL
def test_random_values_are_made_once_and_kept(name: str) -> None:
    run = recorded(name)
    stashes = [stash for stash in run.of(STASH) if stash.name not in PUBLIC]
    assert {stash.name for stash in stashes} == {
        *(f"{node}-bootstrap-token" for node in kubelets(name)),
        "encryption-key-1",
    }
    for stash in stashes:
        assert all(leaf.secret for leaf in leaves(dict(stash.raw)))
        assert stash.ignore_changes == ("input",)
        assert "output" in stash.additional_secret_outputs
    for node in kubelets(name):
        token = run.named(STASH, f"{node}-bootstrap-token").inputs["input"]
        assert re.fullmatch(r"[a-z0-9]{6}\.[a-z0-9]{16}\.[0-9]{10}", token)
    assert len(base64.b64decode(run.named(STASH, "encryption-key-1").inputs["input"], validate=True)) == 32


@ALL
def test_kubeconfigs_are_secret_outputs(name: str) -> None:
    run = recorded(name)
    for output in ("kubeconfig", "developerKubeconfigs"):
        found = list(leaves(run.outputs[output]))
        assert found
        assert all(leaf.secret for leaf in found)


@ALL
def test_what_a_reviewer_needs_is_readable(name: str) -> None:
    run = recorded(name)
    for output in ("kubeconfigSha256", "endpoint", "nodes", "certificates", "etcd"):
        found = list(leaves(run.outputs[output]))
        assert found
        assert not [leaf.path for leaf in found if leaf.secret], output
    for component in run.of("hardway:node:NodeRelease"):
        found = list(leaves(run.components[component.urn]))
        assert {leaf.path.partition(".")[0].partition("[")[0] for leaf in found} == {"digest", "manifest"}
        assert not [leaf.path for leaf in found if leaf.secret]


def test_a_preview_of_a_new_cluster_hides_what_it_does_not_know_yet() -> None:
    run = recorded("dedicated_etcd", preview=True)
    readable = [
        f"{resource.name}: {leaf.path}"
        for resource in run.resources
        for leaf in leaves(dict(resource.raw))
        if not leaf.secret and reveals(run, leaf)
    ]
    assert readable == []


def test_the_search_finds_what_is_packed() -> None:
    key = f"-----BEGIN {PRIVATE}"
    packed = base64.b64encode(f'{{"key": "{key}", "more": "{"x" * 40}"}}'.encode()).decode()
    assert any(key in text for text in texts(f"client-key-data: {packed}"))
    assert not any(key in text for text in texts("client-key-data: " + base64.b64encode(b"nothing" * 9).decode()))
