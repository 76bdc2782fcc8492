"""The probe of the e2e suites, with servers that misbehave in known ways."""

import contextlib
import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.e2e.support.probe import Probe, Report, Target, main

Answer = Callable[[BaseHTTPRequestHandler], None]
RATE, SECONDS = 40, 1.0


@contextlib.contextmanager
def serving(answer: Answer) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/path"
    finally:
        server.shutdown()
        server.server_close()


def say(handler: BaseHTTPRequestHandler, status: int) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", "2")
    handler.end_headers()
    handler.wfile.write(b"ok")


def probe(url: str) -> Report:
    return Probe(Target(url, timeout=10), RATE, SECONDS).run()


def test_all_is_well() -> None:
    with serving(lambda handler: say(handler, 200)) as url:
        report = probe(url)
    assert report.requests == 2 * RATE * SECONDS
    assert report.failed == 0


def test_a_closed_idle_connection_is_retried_and_counted() -> None:
    def answer_and_hang_up(handler: BaseHTTPRequestHandler) -> None:
        say(handler, 200)
        handler.close_connection = True  # without having said so

    with serving(answer_and_hang_up) as url:
        report = probe(url)
    assert report.failed == 0
    assert report.kinds["kept"].retried > 0
    assert report.kinds["fresh"].retried == 0


@pytest.mark.parametrize(("closes", "fails"), [(True, False), (False, True)])
def test_who_is_sent_away_by_a_server_that_leaves_asks_again(closes: bool, fails: bool) -> None:
    served = threading.local()  # one thread for each connection

    def send_away(handler: BaseHTTPRequestHandler) -> None:
        first, served.any = not getattr(served, "any", False), True
        if first:
            say(handler, 200)
            return
        handler.send_response(429)
        handler.send_header("Retry-After", "1")
        handler.send_header("Content-Length", "0")
        if closes:
            handler.send_header("Connection", "close")
        handler.end_headers()

    with serving(send_away) as url:
        report = probe(url)
    kept = report.kinds["kept"]
    assert report.kinds["fresh"].failed == 0
    assert (kept.failed > 0) == fails
    assert (kept.retried > 0) == closes


def test_an_outage_has_a_length_and_reasons() -> None:
    arrived = itertools.count()

    def fail_in_the_middle(handler: BaseHTTPRequestHandler) -> None:
        say(handler, 503 if 20 <= next(arrived) < 60 else 200)

    with serving(fail_in_the_middle) as url:
        report = probe(url)
    assert report.failed == 40
    for tally in report.kinds.values():
        assert tally.reasons == {"status 503 ok": tally.failed}, "the status and the beginning of the body"
        assert tally.longest_gap > SECONDS / 4


def test_a_hung_up_request_on_a_new_connection_has_failed() -> None:
    def hang_up(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True

    with serving(hang_up) as url:
        report = probe(url)
    assert report.failed == report.requests
    assert set(report.kinds["fresh"].reasons) == {"HungUpError"}


def raw(handler: BaseHTTPRequestHandler, text: bytes) -> None:
    handler.wfile.write(text)
    handler.close_connection = True


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n3\r\n t\n\r\n0\r\n\r\n", "status 503 no t"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", "IncompleteReadError"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "IncompleteReadError"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", "IncompleteReadError"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "NotHttpError"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok", "NotHttpError"),
    ],
)
def test_an_answer_that_is_not_whole_has_failed(answer: bytes, reason: str) -> None:
    with serving(lambda handler: raw(handler, answer)) as url:
        report = probe(url)
    assert report.failed == report.requests
    assert set(report.kinds["fresh"].reasons) == {reason}


def test_an_answer_in_chunks() -> None:
    text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\n\r\n"
    with serving(lambda handler: handler.wfile.write(text) and None) as url:
        report = probe(url)
    assert (report.failed, report.kinds["kept"].retried) == (0, 0)


def test_nobody_there_is_one_long_gap() -> None:
    with serving(lambda handler: say(handler, 200)) as url:
        pass
    report = probe(url)
    assert report.failed == report.requests == 2 * RATE * SECONDS
    assert report.longest_gap >= SECONDS * 0.9


def test_a_report_survives_json() -> None:
    with serving(lambda handler: say(handler, 200)) as url:
        report = probe(url)
    assert Report.from_json(report.to_json()) == report


def test_the_line_says_everything(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(lambda handler: say(handler, 200)) as url:
        assert main([f"--url={url}", "--rate=20", "--seconds=0.5", "--kinds=fresh"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert f"probe {url}" in line and "fresh: 10 requests, 0 failed" in line and "p99" in line


def test_it_can_be_told_to_stop_at_any_moment() -> None:
    """A signal handler may run between any two steps of the thread that it interrupts."""
    told = Probe(Target("http://127.0.0.1:1/"), RATE, SECONDS)
    steps = itertools.count()

    def tell(*_: object) -> Callable[..., object]:
        next(steps)
        told.stop()
        return tell

    def run() -> None:
        sys.settrace(tell)
        told.run()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert next(steps) > 10


@pytest.mark.parametrize("wrong", [["--rate=1000"], ["--seconds=0"], ["--seconds=10000"], ["--kinds=old"]])
def test_it_is_bounded(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--url=http://127.0.0.1:1/", *wrong])
    assert wrong[0].split("=")[1] in capsys.readouterr().err
