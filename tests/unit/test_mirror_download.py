"""The download client: real servers with TLS, redirects, cuts, errors and a proxy."""

import hashlib
import threading
from pathlib import Path

import pytest
from publisher import Answer, Publisher, redirect

from components.config.artifacts import Proxy
from tools.common.errors import ToolError
from tools.common.progress import Progress
from tools.mirror.download import Wanted, fetch

pytest_plugins = ["publisher_fixtures"]
FILE = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(FILE).hexdigest()
AT_ONCE = (0.0, 0.0)
"""Two more attempts, without pauses."""


def get(folder: Path, url: str, sha256: str = SHA256, proxy: Proxy | None = None) -> Path:
    """Download a file, and return its path."""
    target = folder / "files" / sha256 / "program"
    with Progress("program") as progress:
        fetch(Wanted(url, sha256), target, folder / "work", progress, proxy.of if proxy else None, AT_ONCE)
    return target


def left(folder: Path) -> list[Path]:
    """Parts of files."""
    return list((folder / "work" / "parts").iterdir())


def test_redirects_are_followed_and_a_file_is_read_once(tmp_path: Path, secure: Publisher) -> None:
    secure.offer("/asset?signature=secret", FILE)
    url = secure.offer("/release", redirect(secure.url("/asset?signature=secret", "localhost")))
    assert get(tmp_path, url).read_bytes() == FILE
    assert get(tmp_path, url).stat().st_mode & 0o777 == 0o644
    assert secure.asked == ["/release", "/asset?signature=secret"]
    assert left(tmp_path) == []


def test_https_never_becomes_http(tmp_path: Path, secure: Publisher, plain: Publisher) -> None:
    plain.offer("/asset?key=secret", FILE)
    url = secure.offer("/release", redirect(plain.url("/asset?key=secret")))
    with pytest.raises(ToolError) as caught:
        get(tmp_path, url)
    assert str(caught.value) == (
        f"cannot fetch {url}: {url} leads to {plain.url('/asset')}, and what begins with https stays https"
    )
    assert plain.asked == []


def test_a_cut_connection_goes_on(tmp_path: Path, secure: Publisher) -> None:
    url = secure.offer("/file", Answer(FILE, cut=300_000), Answer(FILE, cut=200_000), Answer(FILE))
    assert get(tmp_path, url).read_bytes() == FILE
    assert secure.asked == ["/file", "/file bytes=300000-", "/file bytes=500000-"]


def test_a_later_run_goes_on_with_the_part_of_an_earlier_one(tmp_path: Path, secure: Publisher) -> None:
    url = secure.offer("/file", Answer(FILE, cut=300_000), Answer(status=503))
    with pytest.raises(ToolError) as caught:
        get(tmp_path, url)
    assert str(caught.value) == f"cannot fetch {url}: {url} answered with the HTTP status 503; 3 attempts"
    assert [part.stat().st_size for part in left(tmp_path)] == [300_000]
    secure.offer("/file", FILE)
    assert get(tmp_path, url).read_bytes() == FILE
    assert secure.asked[-1] == "/file bytes=300000-"


def test_a_server_without_ranges_sends_the_whole_file_again(tmp_path: Path, secure: Publisher) -> None:
    url = secure.offer("/file", Answer(FILE, cut=300_000), Answer(FILE, ranges=False))
    assert get(tmp_path, url).read_bytes() == FILE


def test_a_part_of_another_file_is_given_up(tmp_path: Path, secure: Publisher) -> None:
    """A part that does not fit, for example because a disk was full or somebody has edited it."""
    url = secure.offer("/file", FILE)
    (tmp_path / "work" / "parts").mkdir(parents=True)
    (tmp_path / "work" / "parts" / SHA256).write_bytes(b"x" * 1000)
    assert get(tmp_path, url).read_bytes() == FILE
    assert secure.asked == ["/file bytes=1000-", "/file"]


def test_a_part_that_is_longer_than_the_file_is_given_up(tmp_path: Path, secure: Publisher) -> None:
    url = secure.offer("/file", Answer(status=416), Answer(FILE))
    (tmp_path / "work" / "parts").mkdir(parents=True)
    (tmp_path / "work" / "parts" / SHA256).write_bytes(FILE + b"more")
    assert get(tmp_path, url).read_bytes() == FILE
    assert secure.asked == [f"/file bytes={len(FILE) + 4}-", "/file"]


def test_a_flipped_byte_is_refused(tmp_path: Path, secure: Publisher) -> None:
    wrong = bytes([FILE[0] ^ 1]) + FILE[1:]
    secure.offer("/asset", wrong)
    url = secure.offer("/file", redirect(secure.url("/asset", "localhost")))
    with pytest.raises(ToolError) as caught:
        get(tmp_path, url)
    assert str(caught.value) == (
        f"{url}, which leads to {secure.url('/asset', 'localhost')}, has the sha256 "
        f"{hashlib.sha256(wrong).hexdigest()}, the lock says {SHA256}"
    )
    assert left(tmp_path) == [] and not (tmp_path / "files").exists()


def test_a_busy_server_is_asked_again(tmp_path: Path, secure: Publisher) -> None:
    url = secure.offer("/file", Answer(status=503), Answer(status=429), Answer(FILE))
    assert get(tmp_path, url).read_bytes() == FILE


@pytest.mark.parametrize("status", [403, 404])
def test_an_answer_that_will_not_change_ends_the_download(tmp_path: Path, secure: Publisher, status: int) -> None:
    secure.offer("/asset?token=secret", Answer(status=status))
    url = secure.offer("/file", redirect(secure.url("/asset?token=secret", "localhost")))
    with pytest.raises(ToolError) as caught:
        get(tmp_path, url)
    final = secure.url("/asset", "localhost")
    assert str(caught.value) == f"cannot fetch {url}: {final} answered with the HTTP status {status}"
    assert len(secure.asked) == 2


def test_an_authority_that_is_not_trusted_ends_the_download(
    tmp_path: Path, secure: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    url = secure.offer("/file", FILE)
    with pytest.raises(ToolError, match=rf"^cannot fetch {url}: 127\.0\.0\.1:\d+: .*CERTIFICATE_VERIFY_FAILED"):
        get(tmp_path, url)
    assert secure.asked == []


def test_a_host_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"^cannot fetch http://127\.0\.0\.1:1/x: 127\.0\.0\.1:1: .*refused.*; 3 att"):
        get(tmp_path, "http://127.0.0.1:1/x")


def test_the_proxy_of_the_page_is_used_for_redirects_as_well(
    tmp_path: Path, secure: Publisher, plain: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    secure.offer("/asset", FILE)
    url = secure.offer("/file", redirect(secure.url("/asset", "localhost")))
    port = secure.server_port
    assert get(tmp_path, url, proxy=Proxy.model_validate({"https": plain.url()})).read_bytes() == FILE
    assert plain.asked == [f"CONNECT 127.0.0.1:{port}", f"CONNECT localhost:{port}"]
    direct = Proxy.model_validate({"https": plain.url(), "noProxy": ["127.0.0.1", "localhost"]})
    (tmp_path / "files" / SHA256 / "program").unlink()
    assert get(tmp_path, url, proxy=direct).read_bytes() == FILE
    assert len(plain.asked) == 2


def test_the_proxy_of_the_environment(
    tmp_path: Path, secure: Publisher, plain: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = secure.offer("/file", FILE)
    monkeypatch.setenv("https_proxy", plain.url())
    monkeypatch.delenv("no_proxy", raising=False)
    assert get(tmp_path, url).read_bytes() == FILE
    assert plain.asked == [f"CONNECT 127.0.0.1:{secure.server_port}"]


def test_two_processes_read_a_file_once(tmp_path: Path, secure: Publisher) -> None:
    url = secure.offer("/file", FILE)
    threads = [threading.Thread(target=get, args=(tmp_path, url)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert secure.asked == ["/file"]


def test_progress_says_size_and_rate(tmp_path: Path, secure: Publisher, capsys: pytest.CaptureFixture[str]) -> None:
    get(tmp_path, secure.offer("/file", FILE))
    assert capsys.readouterr().err.splitlines()[-1].startswith("program: done in ")
    get(tmp_path, secure.offer("/file", FILE))
    target = tmp_path / "files" / SHA256 / "program"
    target.unlink()
    get(tmp_path, secure.url("/file"))
    assert ", 1.0 MB, " in (line := capsys.readouterr().err.splitlines()[-1]) and line.endswith(" MB/s")
