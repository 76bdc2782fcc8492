"""The choice between upstream's release files and built programs: real locks, real servers, a real search path."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import changed, page_values
from publisher import Answer, Publisher, authority, publishing, redirect

from components.artifacts.choice import artifact_versions, image_versions
from components.artifacts.reach import questions, unreachable
from components.artifacts.source import MIRROR, UPSTREAM, Probes, decide, kept, of_page
from components.config import Page, load

LOCAL = load(page_values("stacked"))


@pytest.fixture
def publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    """A server with TLS that this process trusts: a release page that redirects, and a registry with tokens."""
    certificate, context = authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with publishing(context) as server:
        server.offer("/asset", b"0123456789")
        server.offer("/release/file", redirect(server.url("/asset", "localhost")))
        server.offer("/v2/", Answer(status=401, headers={"WWW-Authenticate": "Bearer realm=..."}))
        yield server


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A search path with an official Pulumi."""
    folder = tmp_path / "official"
    folder.mkdir()
    (folder / "pulumi").write_text("#!/bin/sh\necho v3.259.0\n")
    (folder / "pulumi").chmod(0o755)
    (folder / "pulumi-language-python").touch()
    return str(folder)


def lock_of(publisher: Publisher, folder: Path, page: Page = LOCAL, without: str = "") -> Path:
    """A lock whose files and images are at the publisher."""
    source = {"url": publisher.url("/release/file"), "sha256": "ab" * 32, "archive": None, "files": {"x": ""}}
    names = {name: version for name, version in artifact_versions(page).items() if name != without}
    reference = f"localhost:{publisher.server_port}/org/app:1"
    lock = {
        "artifacts": {name: {version: {"amd64": [source]}} for name, version in names.items()},
        "images": {
            name: {version: {"reference": reference, "digest": f"sha256:{'cd' * 32}"}}
            for name, version in image_versions(page).items()
        },
    }
    path = folder / "test.lock.json"
    path.write_text(json.dumps(lock))
    return path


def test_release_files_if_everything_is_there(publisher: Publisher, tmp_path: Path, path: str) -> None:
    chosen = decide(Probes(LOCAL, path, lock_of(publisher, tmp_path)))
    assert (chosen.name, chosen.sentence()) == (
        UPSTREAM,
        "programs and images of nodes: release files of upstream, because `pulumi` is on PATH, the lock is complete, "
        "and all 2 publishers answer",
    )
    # One file and one registry are asked, not every file. A file is not read.
    assert sorted(publisher.asked) == ["/asset bytes=0-0", "/release/file bytes=0-0", "/v2/ bytes=0-0"]


def test_without_an_official_pulumi_nobody_is_asked(publisher: Publisher, tmp_path: Path) -> None:
    chosen = decide(Probes(LOCAL, str(tmp_path), lock_of(publisher, tmp_path)))
    assert chosen.name == MIRROR
    assert chosen.reason.startswith(
        "there is no official `pulumi` on PATH; to use release files, install `pulumi` 3.200"
    )
    assert publisher.asked == []


def test_a_version_outside_of_the_lock(publisher: Publisher, tmp_path: Path, path: str) -> None:
    lock = lock_of(publisher, tmp_path, without="runc")
    chosen = decide(Probes(LOCAL, path, lock))
    assert chosen.name == MIRROR
    assert chosen.reason.startswith(f"upstream's lock is not complete for this page: {lock}: no runc 1.5.2 for amd64")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (Answer(status=403), "answered with the HTTP status 403"),
        (Answer(status=503), "answered with the HTTP status 503"),
        (redirect("http://127.0.0.1:1/x"), "leads to http://127.0.0.1:1/x, and what begins with https stays https"),
    ],
)
def test_a_publisher_that_answers_otherwise(
    publisher: Publisher, tmp_path: Path, path: str, answer: Answer, problem: str
) -> None:
    """A network that refuses everything also answers."""
    publisher.offer("/release/file", answer)
    chosen = decide(Probes(LOCAL, path, lock_of(publisher, tmp_path)))
    reason = f"not every publisher answers from here: {publisher.url('/release/file')} {problem}"
    assert (chosen.name, chosen.reason) == (MIRROR, reason)


def test_a_registry_that_is_none(publisher: Publisher, tmp_path: Path, path: str) -> None:
    publisher.offer("/v2/", Answer(status=404))
    chosen = decide(Probes(LOCAL, path, lock_of(publisher, tmp_path)))
    assert chosen.reason.endswith(f"{publisher.url('/v2/', 'localhost')} answered with the HTTP status 404")


def test_all_are_asked_at_once_and_silence_has_an_end(publisher: Publisher) -> None:
    """Two servers accept a connection and say nothing."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        silent = [f"127.0.0.1:{server.getsockname()[1]}" for server in (one, two)]
        asked = questions([f"https://{host}/file" for host in silent] + [publisher.url("/release/file")], [])
        began = time.monotonic()
        found = unreachable(asked, seconds=1.0)
        assert time.monotonic() - began < 1.9
    assert set(found) == set(silent)
    assert all("timed out" in problem or "no answer within 1 s" in problem for problem in found.values())


def test_the_proxy_of_the_environment_is_used(
    publisher: Publisher, tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with publishing() as proxy:
        monkeypatch.setenv("https_proxy", proxy.url())
        monkeypatch.delenv("no_proxy", raising=False)
        assert decide(Probes(LOCAL, path, lock_of(publisher, tmp_path))).name == UPSTREAM
        assert set(proxy.asked) == {f"CONNECT {host}:{publisher.server_port}" for host in ("127.0.0.1", "localhost")}
        monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
        assert decide(Probes(LOCAL, path, lock_of(publisher, tmp_path))).name == MIRROR
        page = load(changed(page_values("stacked"), {"artifacts.proxy": {"https": proxy.url()}}))
        assert decide(Probes(page, path, lock_of(publisher, tmp_path))).name == UPSTREAM


def hosts(**artifacts: Any) -> Page:
    return load(changed(page_values("existing"), {"artifacts": artifacts}))


def test_a_mirror_of_the_page_is_asked_what_it_has(publisher: Publisher, tmp_path: Path) -> None:
    """Neither an official Pulumi nor a way to upstream is needed for that."""
    page = hosts(mirror=publisher.url("/m"))
    lock = lock_of(publisher, tmp_path, page)
    chosen = decide(Probes(page, str(tmp_path), lock))
    wanted = publisher.url(f"/m/files/{'ab' * 32}/file")
    assert chosen.name == MIRROR
    assert chosen.reason == f"the mirror of the page has no release files: {wanted} answered with the HTTP status 404"
    publisher.offer(f"/m/files/{'ab' * 32}/file", b"runc")
    assert decide(Probes(page, str(tmp_path), lock)).name == UPSTREAM


def test_what_the_page_alone_says() -> None:
    def name(page: Page) -> str:
        found = of_page(page.artifacts.source, page.machines.serves_mirror, page.artifacts.mirror)
        return found.name if found else ""

    assert name(LOCAL) == name(hosts(mirror="http://m.example.com")) == ""
    assert name(hosts()) == name(hosts(source="upstream", mirror="http://m.example.com")) == UPSTREAM
    assert name(hosts(source="mirror", mirror="http://m.example.com")) == MIRROR


def test_what_is_recorded_is_kept() -> None:
    assert [kept(value).name for value in (UPSTREAM, MIRROR, None)] == [UPSTREAM, MIRROR, MIRROR]
