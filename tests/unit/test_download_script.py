"""Downloads of nodes: real curl, real servers with and without TLS."""

import hashlib
import subprocess
from pathlib import Path

import pytest
from publisher import Answer, Publisher, authority, publishing, redirect
from scratch_machine import ScratchMachine

pytest_plugins = ["fetching_fixtures", "publisher_fixtures"]
FILE = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(FILE).hexdigest()
DEAD = "127.0.0.1:1"
"""Nothing listens there."""


def fetch(machine: ScratchMachine, url: str, sha256: str = SHA256) -> subprocess.CompletedProcess[str]:
    """Let the script fetch one file into its store."""
    bundle = str(machine.folder / "authority.pem")
    command = f"fetch {sha256} - {url}"
    return machine.call(("apply", "stage", "download"), command, CURL_CA_BUNDLE=bundle)


def stored(machine: ScratchMachine) -> bool:
    """Whether the entry of the file in the store is complete. If there is an entry, it has nothing but the file."""
    entry = machine.root / "store" / SHA256
    if entry.exists():
        assert [path.name for path in entry.iterdir()] == ["file"]
    return entry.exists() and (entry / "file").read_bytes() == FILE


def pauses(machine: ScratchMachine) -> list[str]:
    return [call.removeprefix("sleep ") for call in machine.calls if call.startswith("sleep ")]


def test_redirects_are_followed(machine: ScratchMachine, https_server: Publisher) -> None:
    https_server.offer("/asset?signature=secret", FILE)
    url = https_server.offer("/release", redirect(https_server.url("/asset?signature=secret", "localhost")))
    done = fetch(machine, url)
    assert (done.returncode, stored(machine), pauses(machine)) == (0, True, []), done.stderr
    assert https_server.asked == ["/release", "/asset?signature=secret"]


def test_https_never_becomes_http(machine: ScratchMachine, https_server: Publisher, plain: Publisher) -> None:
    plain.offer("/asset", FILE)
    url = https_server.offer("/release", redirect(plain.url("/asset")))
    done = fetch(machine, url)
    assert (done.returncode, stored(machine), plain.asked, pauses(machine)) == (1, False, [], [])
    refused = f'cannot fetch {url}: {plain.url("/asset")}: Protocol "http" not supported or disabled in libcurl; '
    assert f"{refused}a download that begins with https follows no redirect to anything else" in done.stderr


def test_a_plain_mirror_may_lead_to_https(machine: ScratchMachine, https_server: Publisher, plain: Publisher) -> None:
    https_server.offer("/asset", FILE)
    done = fetch(machine, plain.offer("/mirror", redirect(https_server.url("/asset"))))
    assert (done.returncode, stored(machine)) == (0, True), done.stderr


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1:1/asset"])
def test_a_plain_mirror_leads_nowhere_else(machine: ScratchMachine, plain: Publisher, target: str) -> None:
    done = fetch(machine, plain.offer("/mirror", redirect(target)))
    assert (done.returncode, stored(machine), pauses(machine)) == (1, False, [])
    assert f"{target}: Protocol" in done.stderr


def test_a_server_that_is_busy_is_asked_again(machine: ScratchMachine, plain: Publisher) -> None:
    busy = Answer(b"busy", 503)
    url = plain.offer("/file", busy, Answer(b"slow down", 429), busy, FILE)
    done = fetch(machine, url)
    assert (done.returncode, stored(machine), pauses(machine)) == (0, True, ["1", "2", "4"]), done.stderr
    assert f"node: {url}: {url} answered with the HTTP status 503; tries again in 1 s" in done.stderr
    assert f"{url} answered with the HTTP status 429; tries again in 2 s" in done.stderr


def test_attempts_end(machine: ScratchMachine, plain: Publisher) -> None:
    plain.offer("/asset?signature=secret", Answer(status=503))
    url = plain.offer("/release", redirect(plain.url("/asset?signature=secret", "localhost")))
    done = fetch(machine, url)
    assert (done.returncode, pauses(machine)) == (1, ["1", "2", "4", "8", "8", "8", "8"])
    last = done.stderr.splitlines()[-1]
    asset = plain.url("/asset", "localhost")
    assert last == f"node: cannot fetch {url}, tried 8 times; the last time: {asset} answered with the HTTP status 503"
    assert "secret" not in done.stderr, "the query of a redirect is a credential"


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_an_answer_that_will_not_change_ends_the_download(
    machine: ScratchMachine, plain: Publisher, status: int
) -> None:
    asset = plain.offer("/asset", Answer(b"no", status))
    url = plain.offer("/release", redirect(asset))
    done = fetch(machine, url)
    assert (done.returncode, pauses(machine)) == (1, [])
    assert done.stderr == f"node: cannot fetch {url}: {asset} answered with the HTTP status {status}\n"


def test_a_download_goes_on_after_a_cut(machine: ScratchMachine, plain: Publisher) -> None:
    url = plain.offer("/file", Answer(FILE, cut=1000), Answer(FILE, cut=500), FILE)
    done = fetch(machine, url)
    assert (done.returncode, stored(machine), pauses(machine)) == (0, True, ["1", "2"]), done.stderr
    assert plain.asked == ["/file", "/file bytes=1000-", "/file bytes=1500-"]
    assert f"{url}: transfer closed with {len(FILE) - 1000} bytes remaining to read; tries again in 1 s" in done.stderr


def test_a_server_without_ranges_sends_the_whole_file_again(machine: ScratchMachine, plain: Publisher) -> None:
    done = fetch(machine, plain.offer("/file", Answer(FILE, cut=1000), Answer(FILE, ranges=False)))
    assert (done.returncode, stored(machine)) == (0, True), done.stderr
    assert plain.asked == ["/file", "/file bytes=1000-", "/file"]


def test_a_whole_file_that_is_wrong_is_not_fetched_again(machine: ScratchMachine, plain: Publisher) -> None:
    done = fetch(machine, plain.offer("/file", Answer(FILE, cut=1000), Answer(b"wrong", ranges=False)))
    assert (done.returncode, stored(machine)) == (1, False)
    assert plain.asked == ["/file", "/file bytes=1000-", "/file"]


def test_a_refused_range_starts_from_the_beginning(machine: ScratchMachine, plain: Publisher) -> None:
    done = fetch(machine, plain.offer("/file", Answer(FILE, cut=1000), Answer(status=416), FILE))
    assert (done.returncode, stored(machine)) == (0, True), done.stderr
    assert plain.asked == ["/file", "/file bytes=1000-", "/file"]


def test_parts_of_two_files_are_fetched_as_one(machine: ScratchMachine, plain: Publisher) -> None:
    """If a mirror changed the file between two requests, then the parts do not fit together."""
    other = bytes(len(FILE))
    url = plain.offer("/file", Answer(other, cut=1000), FILE)
    done = fetch(machine, url)
    assert (done.returncode, stored(machine)) == (0, True), done.stderr
    assert plain.asked == ["/file", "/file bytes=1000-", "/file"]
    assert f"the parts of {url} do not fit together; fetches the whole file" in done.stderr


def test_a_wrong_byte_names_who_sent_it(machine: ScratchMachine, https_server: Publisher) -> None:
    wrong = bytes([FILE[0] ^ 1]) + FILE[1:]
    found = hashlib.sha256(wrong).hexdigest()
    https_server.offer("/asset?signature=secret", wrong)
    url = https_server.offer("/release", redirect(https_server.url("/asset?signature=secret", "localhost")))
    done = fetch(machine, url)
    assert (done.returncode, stored(machine), len(https_server.asked)) == (1, False, 2)
    leads = f"{url}, which leads to {https_server.url('/asset', 'localhost')},"
    assert done.stderr == f"node: {leads} has the sha256 {found}, the lock says {SHA256}\n"


def test_nobody_answers(machine: ScratchMachine) -> None:
    url = f"http://{DEAD}/file"
    done = fetch(machine, url)
    assert (done.returncode, len(pauses(machine))) == (1, 7)
    assert done.stderr.splitlines()[-1].startswith(f"node: cannot fetch {url}, tried 8 times; the last time: {url}: F")


def test_a_server_that_starts_late_is_waited_for(machine: ScratchMachine, tmp_path: Path) -> None:
    """Machines of a new local cluster start beside their mirror."""
    with publishing() as server:
        port = server.server_port
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "file").write_bytes(FILE)
    serve = f"python3 -m http.server -b 127.0.0.1 -d {folder} {port} >log 2>&1 & echo $! >pid"
    machine.program("sleep", f"cd {tmp_path}\n[ -e pid ] || {{ {serve}; }}\n/bin/sleep 0.5\n")
    try:
        done = fetch(machine, f"http://127.0.0.1:{port}/file")
    finally:
        subprocess.run(["sh", "-c", f"kill $(cat {tmp_path}/pid)"], check=True)
    assert (done.returncode, stored(machine)) == (0, True), done.stderr


def test_an_authority_that_is_not_trusted_is_said_at_once(machine: ScratchMachine, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    authority(machine.folder)
    with publishing(authority(tmp_path / "other")[1]) as server:
        done = fetch(machine, server.offer("/file", FILE))
    assert (done.returncode, pauses(machine)) == (1, [])
    assert f"cannot fetch {server.url('/file')}: {server.url('/file')}: SSL certificate problem: " in done.stderr


def test_redirects_in_a_circle_end(machine: ScratchMachine, plain: Publisher) -> None:
    done = fetch(machine, plain.offer("/file", redirect("/file")))
    assert (done.returncode, pauses(machine), len(plain.asked)) == (1, [], 11)
    assert "Maximum (10) redirects followed" in done.stderr
