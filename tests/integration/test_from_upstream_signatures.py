"""Signatures of release files: the real program `sigstore`, with a Sigstore instance and a publisher of the test."""

import base64
import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from publisher import Answer, Publisher, redirect
from sigstore_stand_in import Sigstore, serving

from tools.common.errors import ToolError
from tools.from_upstream import lock, signatures
from tools.from_upstream.check import check
from tools.from_upstream.lock import ARCHITECTURES, RELEASES, Release
from tools.from_upstream.signatures import KUBERNETES, Signer, verify

pytest_plugins = ["publisher_fixtures"]
CONTENT = b"a program"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(scope="module")
def instance() -> Iterator[Sigstore]:
    with serving(Sigstore()) as found:
        yield found


@pytest.fixture
def trust(instance: Sigstore, tmp_path: Path) -> Path:
    return instance.trust(tmp_path / "trust.json")


def offer(server: Publisher, path: str, signature: bytes, certificate: bytes) -> str:
    """Publish a signature and its certificate beside a file, which is not published. Return the URL of the file."""
    server.offer(f"{path}.sig", redirect(server.url(f"/cdn{path}.sig", "localhost")))
    server.offer(f"/cdn{path}.sig", signature)
    server.offer(f"{path}.cert", certificate)
    return server.url(path)


def signed(server: Publisher, instance: Sigstore, by: Signer = KUBERNETES, path: str = "/kubectl") -> str:
    return offer(server, path, *instance.sign(CONTENT, by.identity, by.issuer))


def test_a_signature_of_the_project_is_verified_without_the_file(
    secure: Publisher, instance: Sigstore, trust: Path
) -> None:
    url = signed(secure, instance)
    verify(url, SHA256, KUBERNETES, trust)
    assert "/kubectl" not in secure.asked and "/kubectl.sig" in secure.asked


def test_a_certificate_may_be_plain_pem(secure: Publisher, instance: Sigstore, trust: Path) -> None:
    signature, certificate = instance.sign(CONTENT, KUBERNETES.identity, KUBERNETES.issuer)
    verify(offer(secure, "/kubectl", signature, base64.b64decode(certificate)), SHA256, KUBERNETES, trust)


def refused(url: str, trust: Path, sha256: str = SHA256) -> str:
    with pytest.raises(ToolError) as caught:
        verify(url, sha256, KUBERNETES, trust)
    text = str(caught.value)
    assert text.startswith(f"{url}.sig is not verified as a signature of {KUBERNETES.identity} over sha256 {sha256}: ")
    return text.partition(f"{sha256}: ")[2]


def test_a_signature_of_somebody_else_is_refused(secure: Publisher, instance: Sigstore, trust: Path) -> None:
    other = signed(secure, instance, Signer("mallory@example.com", KUBERNETES.issuer))
    assert refused(other, trust) == (
        f"Certificate's SANs do not match {KUBERNETES.identity}; actual SANs: {{'mallory@example.com'}}"
    )
    # The same name, which another issuer gave away.
    assert refused(signed(secure, instance, Signer(KUBERNETES.identity, "https://example.com")), trust) == (
        f"Certificate's OIDCIssuer does not match (got 'https://example.com', expected '{KUBERNETES.issuer}')"
    )


def test_a_signature_over_another_file_is_refused(secure: Publisher, instance: Sigstore, trust: Path) -> None:
    url = signed(secure, instance)
    another = hashlib.sha256(b"another").hexdigest()
    assert f"No matching log entry for SHA2_256:{another}" in refused(url, trust, another)


def test_a_signature_that_no_log_has_is_refused(secure: Publisher, instance: Sigstore, trust: Path) -> None:
    materials = instance.sign(CONTENT, KUBERNETES.identity, KUBERNETES.issuer, logged=False)
    assert "No matching log entry" in refused(offer(secure, "/kubectl", *materials), trust)


def test_a_signature_after_the_end_of_its_certificate_is_refused(
    secure: Publisher, instance: Sigstore, trust: Path
) -> None:
    materials = instance.sign(CONTENT, KUBERNETES.identity, KUBERNETES.issuer, when=timedelta(hours=1))
    assert "cert is not valid at validation time" in refused(offer(secure, "/kubectl", *materials), trust)


def test_a_signature_of_another_instance_is_refused(secure: Publisher, instance: Sigstore, trust: Path) -> None:
    """Everything about it is right, but nobody trusts the authority. The log of the trusted instance has it."""
    other = Sigstore(certificate_log=instance.certificate_log, signature_log=instance.signature_log)
    materials = other.sign(CONTENT, KUBERNETES.identity, KUBERNETES.issuer)
    instance.bodies += other.bodies
    assert "failed to build timestamp certificate chain" in refused(offer(secure, "/kubectl", *materials), trust)


def test_a_log_with_another_key_is_refused(secure: Publisher, instance: Sigstore, tmp_path: Path) -> None:
    url = signed(secure, instance)
    forged = Sigstore(instance.authority_key, instance.certificate_log)
    forged.authority, forged.url = instance.authority, instance.url
    assert "invalid log entry" in refused(url, forged.trust(tmp_path / "forged.json"))


def test_a_file_without_a_signature_is_named(secure: Publisher, trust: Path) -> None:
    with pytest.raises(ToolError, match=r"cannot read https://127\.0\.0\.1:\d+/kubectl\.sig .*404"):
        verify(secure.url("/kubectl"), SHA256, KUBERNETES, trust)


def test_rubbish_in_the_place_of_a_certificate_is_refused(secure: Publisher, instance: Sigstore, trust: Path) -> None:
    signature, _ = instance.sign(CONTENT, KUBERNETES.identity, KUBERNETES.issuer)
    assert "Unable to load PEM file" in refused(offer(secure, "/kubectl", signature, b"<html>no</html>"), trust)


def test_a_log_that_does_not_answer_is_named(secure: Publisher, instance: Sigstore, tmp_path: Path) -> None:
    url = signed(secure, instance)
    away = Sigstore(instance.authority_key, instance.certificate_log, instance.signature_log)
    away.authority, away.url = instance.authority, "http://127.0.0.1:1"
    assert "127.0.0.1" in refused(url, away.trust(tmp_path / "away.json"))


# --- make lock ----------------------------------------------------------------------------------------------------


def releases(server: Publisher) -> dict[str, Release]:
    base = server.url("/v{v}/{a}")
    return {
        "tool": Release(f"{base}/tool", f"{base}/tool.sha256", {"tool": ""}, KUBERNETES),
        "other": Release(f"{base}/other", f"{base}/other.sha256", {"other": ""}),
    }


def publish(server: Publisher, instance: Sigstore) -> None:
    for architecture in ARCHITECTURES:
        for name in ("tool", "other"):
            content = f"{name} {architecture}".encode()
            path = f"/v1.0/{architecture}/{name}"
            server.offer(f"{path}.sha256", hashlib.sha256(content).hexdigest().encode())
            if name == "tool":
                offer(server, path, *instance.sign(content, KUBERNETES.identity, KUBERNETES.issuer))


def test_kubernetes_is_signed_and_nobody_else_is_verified() -> None:
    by = {name: release.signer for name, release in RELEASES.items()}
    assert {name for name, signer in by.items() if signer} == {
        *("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl")
    }


def test_the_lock_gets_digests_whose_signatures_fit(
    secure: Publisher, instance: Sigstore, trust: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(secure, instance)
    path, trusting = tmp_path / "lock.json", partial(verify, trust=trust)
    lock.refresh(path, ["tool=1.0", "other=1.0"], releases(secure), {}, trusting)
    assert capsys.readouterr().err.count(f", signed by {KUBERNETES.identity}\n") == 2
    check(path, releases(secure), trusting)
    assert "all 4 digests in lock.json are as published; 2 signatures are verified\n" in capsys.readouterr().err
    before = path.read_text()
    # Somebody changes a file and its digest at the publisher, and cannot sign.
    changed = hashlib.sha256(b"changed").hexdigest()
    secure.offer("/v1.0/arm64/tool.sha256", changed.encode())
    wanted = json.loads(before)
    wanted["artifacts"]["tool"]["1.0"]["arm64"][0]["sha256"] = None
    path.write_text(json.dumps(wanted))
    with pytest.raises(ToolError, match=rf"tool\.sig is not verified as a signature of .* over sha256 {changed}: "):
        lock.refresh(path, [], releases(secure), {}, trusting)
    assert json.loads(path.read_text()) == wanted, "a lock with such a digest is not written"
    wanted["artifacts"]["tool"]["1.0"]["arm64"][0]["sha256"] = changed
    path.write_text(json.dumps(wanted))
    with pytest.raises(ToolError, match=r"1 of 4 digests in lock\.json are not as published:\n.*is not verified"):
        check(path, releases(secure), trusting)


def test_who_does_not_look_at_signatures_is_told(
    secure: Publisher, instance: Sigstore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(secure, instance)
    secure.offer("/v1.0/amd64/tool.sig", Answer(status=404))
    path = tmp_path / "lock.json"
    lock.refresh(path, ["tool=1.0"], releases(secure), {}, None)
    assert "signatures were not verified, because SIGNATURES=no was given: tool\n" in capsys.readouterr().err
    check(path, releases(secure), None)
    assert "as published; signatures were not verified\n" in capsys.readouterr().err


def test_make_lock_verifies_unless_it_is_told_not_to(monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from tools.cli import commands

    asked: list[object] = []
    monkeypatch.setattr(lock, "refresh", lambda path, add, verify: asked.append(verify))
    for arguments in (["lock"], ["lock", "--no-signatures"]):
        assert CliRunner().invoke(commands, arguments).exit_code == 0
    assert asked == [signatures.verify, None]
