"""`make lock`, with a small server that publishes files in the forms of the projects."""

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tools.common.errors import ToolError
from tools.from_upstream import lock as upstream_lock
from tools.from_upstream.lock import Release

A, B, C = "a" * 64, "b" * 64, "c" * 64
MANIFEST = b'{"schemaVersion": 2}'
PAGES = {
    "/tool/1.0/tool.sha256": f"{A}\n",
    "/set/1.0/SHA256SUMS": f"{B}  other-set-1.0-amd64.tgz\n{A} *set-1.0-amd64.tgz\n{C}  ./set-1.0-arm64.tgz\n",
    "/empty/1.0/sums": f"{A}  something-else\n",
}


class Upstream(BaseHTTPRequestHandler):
    """A server with files, and a registry that requires a token."""

    def do_GET(self) -> None:
        host = f"http://{self.headers['Host']}"
        if self.path.startswith("/v2/") and self.headers.get("Authorization") != "Bearer anonymous":
            self.answer(401, b"", {"WWW-Authenticate": f'Bearer realm="{host}/token",service="test"'})
        elif self.path == "/v2/some/image/manifests/v1.0":
            assert "manifest.list" in self.headers["Accept"]
            self.answer(200, MANIFEST, {})
        elif self.path == "/token?service=test&scope=repository:some/image:pull":
            self.answer(200, b'{"token": "anonymous"}', {})
        elif self.path in PAGES:
            self.answer(200, PAGES[self.path].encode(), {})
        else:
            self.answer(404, b"", {})

    def answer(self, code: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def upstream() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Upstream) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def releases(address: str) -> dict[str, Release]:
    base = f"http://{address}"
    return {
        "tool": Release(f"{base}/tool/{{v}}/tool", f"{base}/tool/{{v}}/tool.sha256", {"tool": ""}),
        "set": Release(f"{base}/set/{{v}}/set-{{v}}-{{a}}.tgz", f"{base}/set/{{v}}/SHA256SUMS", {"one": "set-{v}/one"}),
        "empty": Release(f"{base}/empty/{{v}}/empty", f"{base}/empty/{{v}}/sums", {"empty": ""}),
    }


def refresh(path: Path, address: str, *added: str) -> None:
    upstream_lock.refresh(path, added, releases(address), {"image": f"{address}/some/image:v{{v}}"})


def test_added_versions_get_what_upstream_publishes(tmp_path: Path, upstream: str) -> None:
    path = tmp_path / "lock.json"
    refresh(path, upstream, "tool=1.0", "set=1.0", "image=1.0")
    lock = json.loads(path.read_text())
    assert lock["artifacts"]["tool"]["1.0"]["amd64"] == [
        {"url": f"http://{upstream}/tool/1.0/tool", "sha256": A, "archive": None, "files": {"tool": ""}}
    ]
    (archive,) = lock["artifacts"]["set"]["1.0"]["amd64"]
    assert (archive["sha256"], archive["archive"], archive["files"]) == (A, "tar.gz", {"one": "set-1.0/one"})
    (other,) = lock["artifacts"]["set"]["1.0"]["arm64"]
    assert (other["sha256"], other["url"]) == (C, f"http://{upstream}/set/1.0/set-1.0-arm64.tgz")
    digest = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"
    assert lock["images"]["image"]["1.0"] == {"reference": f"{upstream}/some/image:v1.0", "digest": digest}


def test_known_digests_are_not_asked_for_again(tmp_path: Path, upstream: str) -> None:
    path = tmp_path / "lock.json"
    refresh(path, upstream, "tool=1.0", "image=1.0")
    before = path.read_text()
    refresh(path, "127.0.0.1:1", "tool=1.0", "image=1.0")
    assert path.read_text() == before


def test_an_architecture_that_is_missing_is_added(tmp_path: Path, upstream: str) -> None:
    path = tmp_path / "lock.json"
    refresh(path, upstream, "set=1.0")
    whole = path.read_text()
    lock = json.loads(whole)
    del lock["artifacts"]["set"]["1.0"]["arm64"]
    path.write_text(upstream_lock.to_text(lock))
    refresh(path, upstream, "set=1.0")
    assert path.read_text() == whole


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ("tool=2.0", r"cannot read http://.*/tool/2\.0/tool\.sha256 \(HTTP Error 404.*run `make lock` on a machine"),
        ("image=2.0", r"cannot read http://.*/manifests/v2\.0 \(HTTP Error 404"),
        ("empty=1.0", r"/empty/1\.0/sums contains no SHA-256 of empty$"),
        (
            "tool=v1",
            r"cannot add 'tool=v1'; allowed: name=version, with one of the names empty, image, kubernetes, set, tool",
        ),
        ("nothing=1.0", r"cannot add 'nothing=1\.0'"),
    ],
)
def test_failure_is_one_sentence_and_changes_nothing(tmp_path: Path, upstream: str, added: str, message: str) -> None:
    path = tmp_path / "lock.json"
    refresh(path, upstream, "tool=1.0")
    before = path.read_text()
    with pytest.raises(ToolError, match=message):
        refresh(path, upstream, added)
    assert path.read_text() == before


def test_no_network_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"cannot read http://127\.0\.0\.1:1/.*: run `make lock` on a machine that"):
        refresh(tmp_path / "lock.json", "127.0.0.1:1", "tool=1.0")
    assert not (tmp_path / "lock.json").exists()


def test_kubernetes_stands_for_its_programs(tmp_path: Path) -> None:
    lock = upstream_lock.read(tmp_path / "none.json")
    for name, version in upstream_lock._parse("kubernetes=1.37.1", upstream_lock.RELEASES, upstream_lock.IMAGES):
        upstream_lock.add(lock, name, version, upstream_lock.RELEASES, upstream_lock.IMAGES)
    (kubelet,) = lock["artifacts"]["kubelet"]["1.37.1"]["amd64"]
    assert kubelet["url"] == "https://dl.k8s.io/release/v1.37.1/bin/linux/amd64/kubelet"
    assert len(lock["artifacts"]) == 6
