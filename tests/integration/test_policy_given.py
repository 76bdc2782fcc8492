"""A given authority with the real providers: OpenSSL accepts what it signs, and the policies accept its use."""

import json
import subprocess
from pathlib import Path
from typing import Any

import policy_engine as engine
import pytest
from authorities import Made, intermediate, make, pem, root
from signing_service import Service, cfssl

PAGE = {"cluster": {"name": "given"}, "nodes": [{"name": "cp-1", "roles": ["etcd", "control-plane", "worker"]}]}
FIRST = make("O=Org,CN=Org Kubernetes CA", root(), path_length=1)
SECOND = make("C=DE,O=Org,OU=Unit,CN=Org Kubernetes CA 2", root("CN=Other Root"), path_length=0)


def up(stack: engine.Stack, given: list[Made | None], trusted: list[int], active: int) -> dict[str, str]:
    """The certificates in the state after an `up`, by name. None: the program makes this generation."""
    entries = [made.on_page(number) for number, made in enumerate(given, 1) if made and number in trusted]
    keys = [entry.pop("privateKey") for entry in entries]
    generations = {"kubernetes": {"trusted": trusted, "active": active}}
    page: dict[str, Any] = PAGE | {"pki": {"generations": generations}}
    stack.configure(page | ({"authorities": {"kubernetes": entries}} if entries else {}))
    for index, key in enumerate(keys):
        path = f"hardway:authorities.kubernetes[{index}].privateKey"
        done = stack.run("config", "set", "--secret", "--path", path, stdin=str(key))
        assert done.code == 0, done.output
    stack.up()
    exported = stack.run("stack", "export")
    assert not [key for key in keys if str(key).splitlines()[1] in exported.output]
    resources = json.loads(exported.output)["deployment"]["resources"]
    return {
        resource["urn"].rpartition("::")[2]: resource["outputs"]["certPem"]
        for resource in resources
        if "certPem" in resource.get("outputs", {})
    }


def accepts(folder: Path, leaf: str, trusted: str, shown: str = "", *options: str) -> bool:
    """Whether OpenSSL accepts a certificate. `shown` is what the server shows after it."""
    for name, text in {"leaf": leaf, "trusted": trusted, "shown": shown or leaf}.items():
        (folder / name).write_text(text)
    command = ["openssl", "verify", *options, "-no-CApath", "-no-CAstore", "-purpose", "sslserver"]
    files = ["-CAfile", str(folder / "trusted"), "-untrusted", str(folder / "shown"), str(folder / "leaf")]
    return subprocess.run([*command, *files], capture_output=True, timeout=30, check=False).returncode == 0


@pytest.fixture
def stack(tmp_path: Path) -> engine.Stack:
    if not engine.ENGINE.exists():
        pytest.skip("no engine in this clone yet: run `make tools`")
    return engine.make("cluster", tmp_path / "stack", PAGE)


def test_what_a_given_authority_signs(stack: engine.Stack, tmp_path: Path) -> None:
    made = up(stack, [FIRST], [1], 1)
    leaf, own, above = made["cp-1-apiserver"], pem(FIRST.certificate), pem(root().certificate)
    assert "kubernetes-ca-1" not in made and "etcd-ca-1" in made
    # Who knows the root alone, needs what the server shows. Nodes have the authority alone: Go, and -partial_chain.
    assert accepts(tmp_path, leaf, above, own) and not accepts(tmp_path, leaf, above)
    assert accepts(tmp_path, leaf, own, "", "-partial_chain") and not accepts(tmp_path, leaf, own)
    assert accepts(tmp_path, leaf, own + above)
    assert accepts(tmp_path, leaf, own + above, "", "-x509_strict")
    # A second `up` with a renewed certificate keeps every key, and what both certificates have signed is accepted.
    renewed = make("O=Org,CN=Org Kubernetes CA", root(), key=FIRST.key, path_length=1)
    again = up(stack, [renewed], [1], 1)
    assert accepts(tmp_path, leaf, pem(renewed.certificate), "", "-partial_chain")
    assert accepts(tmp_path, again["cp-1-apiserver"], own, "", "-partial_chain")
    later = up(stack, [renewed, None], [1, 2], 2)
    assert stack.preview().mandatory == set()
    crossed = later["kubernetes-ca-2-by-kubernetes-ca-1"]
    assert accepts(tmp_path, later["cp-1-apiserver"], own + above, crossed)
    assert accepts(tmp_path, later["cp-1-apiserver"], above, crossed + pem(renewed.certificate))
    assert not accepts(tmp_path, later["cp-1-apiserver"], own + above)


def test_the_program_certifies_a_given_authority(stack: engine.Stack, tmp_path: Path) -> None:
    """From an authority of the program to one that is given: clients that know only the first generation go on."""
    before = up(stack, [], [1], 1)
    made = up(stack, [None, SECOND], [1, 2], 2)
    leaf, crossed = made["cp-1-apiserver"], made["kubernetes-ca-2-by-kubernetes-ca-1"]
    own, above = pem(SECOND.certificate), pem(root("CN=Other Root").certificate)
    assert accepts(tmp_path, leaf, before["kubernetes-ca-1"], crossed + own)
    assert accepts(tmp_path, leaf, above, own)
    assert accepts(tmp_path, leaf, before["kubernetes-ca-1"] + own + above, crossed + own)


def test_the_policies_accept_a_signing_service(stack: engine.Stack, tmp_path: Path) -> None:
    service = Service(cfssl(), tmp_path / "service", intermediate("O=Org,CN=Org etcd CA")).start()
    try:
        entry = service.on_page()
        key = entry["service"].pop("authKey")
        stack.configure(PAGE | {"authorities": {"etcd": [entry]}})
        path = "hardway:authorities.etcd[0].service.authKey"
        assert stack.run("config", "set", "--secret", "--path", path, stdin=key).code == 0
        before = stack.preview()
        stack.up()
        assert (before.mandatory, stack.preview().mandatory, service.requests) == (set(), set(), 3)
    finally:
        service.stop()
