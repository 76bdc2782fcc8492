"""`make lock CHECK=1`, with servers that answer as dl.k8s.io, github.com and registries do."""

import hashlib
import json
import socket
from pathlib import Path

import pytest
from publisher import Answer, Publisher, publishing, redirect

from tools.common.errors import ToolError
from tools.from_upstream import published
from tools.from_upstream.check import check
from tools.from_upstream.lock import Release, to_text

pytest_plugins = ["publisher_fixtures"]
A, B, C = "a" * 64, "b" * 64, "c" * 64
SINGLE = b'{"schemaVersion": 2, "config": {}}'


def digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def index(**digests: str) -> bytes:
    """The index of an image for architectures of Linux, and for Windows."""
    platforms = [("linux", name, value) for name, value in digests.items()] + [("windows", "amd64", f"sha256:{C}")]
    manifests = [{"digest": value, "platform": {"os": os, "architecture": name}} for os, name, value in platforms]
    return json.dumps({"schemaVersion": 2, "manifests": manifests}).encode()


def releases(server: Publisher) -> dict[str, Release]:
    """A program with a file of digests beside it, as at dl.k8s.io, and an archive of a set, as at github.com."""
    base = server.url()
    return {
        "tool": Release(f"{base}/v{{v}}/{{a}}/tool", f"{base}/v{{v}}/{{a}}/tool.sha256", {"tool": ""}),
        "set": Release(f"{base}/{{v}}/set-{{a}}.tgz", f"{base}/{{v}}/SHA256SUMS", {"one": "one"}),
    }


def lock_of(server: Publisher, folder: Path, images: dict[str, object] | None = None, tool: str | None = A) -> Path:
    """A lock of both releases for two architectures, and of images of a registry."""
    made = releases(server)
    digests = {("tool", "amd64"): tool, ("tool", "arm64"): B, ("set", "amd64"): B, ("set", "arm64"): C}
    artifacts: dict[str, dict[str, dict[str, list[dict[str, object]]]]] = {"tool": {"1.0": {}}, "set": {"1.0": {}}}
    for (name, architecture), sha256 in digests.items():
        url = made[name].url.format(v="1.0", a=architecture)
        entry = {"url": url, "sha256": sha256, "archive": None, "files": {name: ""}}
        artifacts[name]["1.0"][architecture] = [entry]
    locked = {f"image{n}": {"1": {"reference": r, "digest": d}} for n, (r, d) in enumerate((images or {}).items())}
    path = folder / "lock.json"
    path.write_text(to_text({"artifacts": artifacts, "images": locked}))
    return path


def publish(server: Publisher) -> None:
    """Publish the digests of `lock_of`: each request is redirected to another name of the server, with a signature."""
    files = {
        "/v1.0/amd64/tool.sha256": A,
        "/v1.0/arm64/tool.sha256": f"{B}\n",
        "/1.0/SHA256SUMS": f"{B}  set-amd64.tgz\n{C} *./set-arm64.tgz\n",
    }
    for path, text in files.items():
        server.offer(path, redirect(server.url(f"/asset{path}?signature=secret", "localhost")))
        server.offer(f"/asset{path}?signature=secret", text.encode())


def test_a_lock_as_published_passes(secure: Publisher, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish(secure)
    path = lock_of(secure, tmp_path)
    before = path.read_text()
    check(path, releases(secure))
    assert path.read_text() == before
    said = capsys.readouterr().err
    assert said.count("as published: ") == 4
    assert said.endswith("all 4 digests in lock.json are as published; 0 signatures are verified\n")
    assert len([path for path in secure.asked if path.startswith("/asset")]) == 4, "no redirect was followed"


def test_a_digest_that_differs_is_named_and_the_others_are_still_compared(secure: Publisher, tmp_path: Path) -> None:
    publish(secure)
    with pytest.raises(ToolError) as caught:
        check(lock_of(secure, tmp_path, tool=C), releases(secure))
    assert str(caught.value).splitlines() == [
        "1 of 4 digests in lock.json are not as published:",
        f"  {secure.url('/v1.0/amd64/tool')}: the lock says {C}, published is {A}",
    ]
    assert len([path for path in secure.asked if path.startswith("/asset")]) == 4


def test_what_cannot_be_compared_is_a_difference(secure: Publisher, tmp_path: Path) -> None:
    publish(secure)
    secure.offer("/v1.0/arm64/tool.sha256", Answer(b"busy", 503))
    secure.offer("/1.0/SHA256SUMS", f"{B}  set-amd64.tgz\n".encode())
    with pytest.raises(ToolError) as caught:
        check(lock_of(secure, tmp_path, tool=None), releases(secure))
    first, *rest = str(caught.value).splitlines()
    assert first == "3 of 4 digests in lock.json are not as published:"
    assert rest[0] == f"  {secure.url('/v1.0/amd64/tool')}: the lock has no digest; `make lock` adds it"
    assert "cannot read" in rest[1] and "HTTP Error 503" in rest[1]
    assert rest[2].endswith("/1.0/SHA256SUMS contains no SHA-256 of set-arm64.tgz")


def test_a_host_that_does_not_answer_is_asked_once(
    plain: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, made = lock_of(plain, tmp_path), releases(plain)
    plain.server_close()
    asked = []
    ask = socket.create_connection
    monkeypatch.setattr(socket, "create_connection", lambda *a, **b: (asked.append(a[0]), ask(*a, **b))[1])
    with pytest.raises(ToolError) as caught:
        check(path, made)
    first, second, *rest = str(caught.value).splitlines()
    assert first == "4 of 4 digests in lock.json are not as published:"
    assert "run `make lock` on a machine that reaches the internet" in second
    assert [line.endswith(f"not compared, 127.0.0.1:{plain.server_port} does not answer") for line in rest] == [
        True
    ] * 3
    assert len(asked) == 1


def registry(server: Publisher, name: str, body: bytes) -> str:
    """Publish an image in a registry that requires a token for each question. Return its reference."""
    challenge = {"WWW-Authenticate": f'Bearer realm="{server.url("/token")}",service="test"'}
    server.offer(f"/v2/{name}/manifests/v1", Answer(status=401, headers=challenge), Answer(body))
    server.offer(f"/token?service=test&scope=repository:{name}:pull", b'{"token": "anonymous"}')
    return f"127.0.0.1:{server.server_port}/{name}:v1"


def test_images_are_compared_by_index_or_by_architecture(plain: Publisher, tmp_path: Path) -> None:
    publish(plain)
    both = index(amd64=f"sha256:{A}", arm64=f"sha256:{B}")
    whole, parts = registry(plain, "whole", both), registry(plain, "parts", both)
    images = {whole: digest(both), parts: {"amd64": f"sha256:{A}", "arm64": f"sha256:{B}"}}
    check(lock_of(plain, tmp_path, images), releases(plain))
    tokens = [headers.get("Authorization") for headers in plain.seen]
    assert "Bearer anonymous" in tokens


def test_images_that_differ(plain: Publisher, tmp_path: Path) -> None:
    publish(plain)
    both = index(amd64=f"sha256:{A}")
    whole, parts = registry(plain, "whole", both), registry(plain, "parts", both)
    images = {whole: f"sha256:{C}", parts: {"amd64": f"sha256:{C}", "arm64": f"sha256:{B}"}}
    with pytest.raises(ToolError) as caught:
        check(lock_of(plain, tmp_path, images), releases(plain))
    assert str(caught.value).splitlines() == [
        "3 of 7 digests in lock.json are not as published:",
        f"  {whole}: the lock says sha256:{C}, published is {digest(both)}",
        f"  {parts} for amd64: the lock says sha256:{C}, published is sha256:{A}",
        f"  {parts} for arm64: the lock says sha256:{B}, published is none",
    ]


def test_an_image_without_an_index_has_no_architectures(plain: Publisher) -> None:
    assert published.platform_digests(registry(plain, "single", SINGLE)) == {}
    assert published.image_digest(registry(plain, "single", SINGLE)) == digest(SINGLE)


def test_digests_are_never_read_over_http(secure: Publisher, plain: Publisher) -> None:
    """A redirect from https to http could bring any digest."""
    plain.offer("/sums", f"{A}\n".encode())
    url = secure.offer("/sums", redirect(plain.url("/sums?signature=secret")))
    with pytest.raises(ToolError) as caught:
        published.file_digest(url, "https://example.com/tool")
    text = str(caught.value)
    assert text.startswith(
        f"cannot read {url}, which leads to {plain.url('/sums')}, (HTTP Error 302: a redirect from h"
    )
    assert (plain.asked, "secret" in text) == ([], False)


def test_the_host_that_refuses_is_named(secure: Publisher) -> None:
    asset = secure.url("/asset?signature=secret", "localhost")
    url = secure.offer("/sums", redirect(asset))
    with pytest.raises(ToolError) as caught:
        published.file_digest(url, "https://example.com/tool")
    assert str(caught.value).startswith(
        f"cannot read {url}, which leads to {secure.url('/asset', 'localhost')}, (HTTP Error 404"
    )
    assert "secret" not in str(caught.value)


def test_a_token_stays_with_its_registry(plain: Publisher) -> None:
    """Registries redirect to hosts of files, which must not see the token."""
    reference = registry(plain, "image", SINGLE)
    path = "/v2/image/manifests/v1"
    challenge = plain.answers[path][0]
    with publishing() as files:
        files.offer("/blob", SINGLE)
        plain.offer(path, challenge, redirect(files.url("/blob", "localhost")))
        assert published.image_digest(reference) == digest(SINGLE)
        assert [headers.get("Authorization") for headers in files.seen] == [None]


def test_a_token_is_not_asked_for_elsewhere(secure: Publisher, plain: Publisher) -> None:
    """Another scheme than that of the registry is refused."""
    challenge = {"WWW-Authenticate": f'Bearer realm="{secure.url("/token")}",service="test"'}
    plain.offer("/v2/image/manifests/v1", Answer(status=401, headers=challenge))
    with pytest.raises(ToolError, match=r"cannot read http://127.0.0.1:\d+/v2/image/manifests/v1 \(HTTP Error 401"):
        published.image_digest(f"127.0.0.1:{plain.server_port}/image:v1")
    assert secure.asked == []
