"""What every suite has: lines that somebody sees at once, and a look at the cluster when a test has failed."""

import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.support import diagnostics
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.progress import Reporter, Say

_LOOKS = 3
"""Failures that are worth the time of a look at the cluster."""
_looked = pytest.StashKey[int]()


def pytest_sessionstart() -> None:
    """Let a request to end be like Ctrl-C: fixtures take their clusters down."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def say(pytestconfig: pytest.Config) -> Say:
    """Print a line past pytest's capture; one of several processes has no terminal but this one's standard error."""
    capture: Any = pytestconfig.pluginmanager.getplugin("capturemanager")
    terminal: Any = pytestconfig.pluginmanager.getplugin("terminalreporter")
    process = os.environ.get("PYTEST_XDIST_WORKER")

    def show(line: str) -> None:
        with capture.global_and_fixture_disabled():
            if process:
                print(f"{process} {line}", file=sys.stderr, flush=True)
                return
            terminal.ensure_newline()
            terminal.write_line(line)

    return Reporter(show)


@pytest.fixture(autouse=True)
def _announce(request: pytest.FixtureRequest, say: Say) -> None:
    say(f"{request.node.name}: {(request.function.__doc__ or '').strip().partition(chr(10))[0]}".rstrip(": "))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Gather diagnostics of the first few failures, while the cluster is as it was."""
    report: Any = yield
    cluster = getattr(item, "funcargs", {}).get("cluster")
    looked = item.config.stash.get(_looked, 0)
    if report.failed and report.when == "call" and isinstance(cluster, Cluster) and looked < _LOOKS:
        item.config.stash[_looked] = looked + 1
        folder = diagnostics.collect(cluster.stack, item.name)
        report.sections.append((f"cluster: all of it in {folder}", diagnostics.last_lines(folder)))
    return report
