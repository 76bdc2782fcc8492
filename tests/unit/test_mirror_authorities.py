"""`artifacts.certificateAuthority`: nodes fetch from a mirror whose authority no machine trusts."""

import hashlib
import subprocess
import tomllib
from pathlib import Path

import pytest
from authorities import make
from clusters import cluster
from publisher import Publisher, authority, publishing
from scratch_machine import ReleaseMachine, ScratchMachine

from components.config.errors import ConfigError

pytest_plugins = ["fetching_fixtures"]
FILE = b"#!/bin/sh\necho kubelet\n"
SHA256 = hashlib.sha256(FILE).hexdigest()
REGISTRIES = ("docker.io", "quay.io")
CHAIN = make("CN=authority of the mirror").chain
GIVEN = {
    "artifacts.mirror": "https://mirror.example.com",
    "artifacts.registryMirrors": {"docker.io": "https://mirror.example.com:5443", "quay.io": "http://10.0.0.5:5000"},
    "artifacts.certificateAuthority": f"# corp\n{CHAIN}",
}


def test_containerd_trusts_the_authority_for_mirrors_over_https() -> None:
    made = cluster("existing", GIVEN)
    files = {file.path: str(file.content) for file in made.part("worker-1").files}
    assert files["cfg/mirror-ca.pem"] == CHAIN
    secure, plain = (tomllib.loads(files[f"cfg/registries/{name}/hosts.toml"])["host"] for name in REGISTRIES)
    (of_secure,), (of_plain,) = secure.values(), plain.values()
    assert (of_secure["ca"], of_plain.get("ca")) == ("/opt/kubernetes/cfg/mirror-ca.pem", None)


def test_another_authority_restarts_nothing() -> None:
    """Curl and containerd read the file with each download."""
    made = cluster("existing", GIVEN)
    other = cluster("existing", GIVEN | {"artifacts.certificateAuthority": make("CN=next").chain})
    for node in made.topology.nodes:
        before, after = made.release(node.name), other.release(node.name)
        assert (before.digest != after.digest, before.units) == (True, after.units), node.name


def test_a_page_without_authorities_has_no_trace_of_them() -> None:
    files = {file.path: str(file.content) for file in cluster("existing").part("worker-1").files}
    assert "cfg/mirror-ca.pem" not in files
    assert not any("mirror-ca" in text for path, text in files.items() if path.startswith("cfg/registries/"))


def test_an_authority_that_verifies_nothing_is_refused() -> None:
    problem = "would not be used, no URL of artifacts.mirror or artifacts.registryMirrors begins with https://"
    with pytest.raises(ConfigError, match=f"hardway:artifacts.certificateAuthority: {problem}"):
        cluster("existing", {"artifacts.certificateAuthority": CHAIN})
    # Local machines have a mirror of their own for programs, and the mirrors of the page for images.
    cluster("stacked", {key: GIVEN[key] for key in ("artifacts.registryMirrors", "artifacts.certificateAuthority")})


def fetch(machine: ScratchMachine, url: str, *, trusted: Path | None, folder: Path) -> subprocess.CompletedProcess[str]:
    settings = f"authorities_file={trusted or ''} authorities_folder={folder}"
    return machine.call(("apply", "stage", "download"), f"{settings}\nfetch {SHA256} - {url}")


def test_programs_come_from_a_mirror_with_the_authority_of_the_page(
    machine: ScratchMachine, https_server: Publisher, tmp_path: Path
) -> None:
    url = https_server.offer("/kubelet", FILE)
    empty = tmp_path / "empty"
    empty.mkdir()
    refused = fetch(machine, url, trusted=None, folder=empty)
    assert refused.returncode == 1 and https_server.asked == []
    assert "for a mirror, artifacts.certificateAuthority of the page names more authorities" in refused.stderr
    done = fetch(machine, url, trusted=machine.folder / "authority.pem", folder=empty)
    assert (done.returncode, https_server.asked) == (0, ["/kubelet"]), done.stderr


def test_authorities_of_the_machine_still_count(
    machine: ScratchMachine, https_server: Publisher, tmp_path: Path
) -> None:
    """A mirror may redirect to a server of the internet, and a page may have a public mirror of images."""
    folder, other = tmp_path / "certs", tmp_path / "corp.pem"
    folder.mkdir()
    other.write_text(CHAIN)
    (folder / "public.pem").write_bytes((machine.folder / "authority.pem").read_bytes())
    subprocess.run(["openssl", "rehash", str(folder)], check=True)
    done = fetch(machine, https_server.offer("/kubelet", FILE), trusted=other, folder=folder)
    assert (done.returncode, https_server.asked) == (0, ["/kubelet"]), done.stderr


def test_a_release_brings_its_authorities(tmp_path: Path) -> None:
    """A whole `stage` of a machine that has no release yet."""
    bundle, context = authority(tmp_path)
    with publishing(context) as server:
        url = server.offer("/kubelet", FILE)
        machine = ReleaseMachine(tmp_path / "machine")
        new = machine.whole_payload(f"{SHA256} - {url} kubelet -\n")
        (new / "cfg/mirror-ca.pem").write_bytes(bundle.read_bytes())
        done = machine.apply("stage", "abc", str(new))
        assert (done.returncode, server.asked) == (0, ["/kubelet"]), done.stderr
