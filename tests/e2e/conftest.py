"""For all suites: progress lines that are visible at once, and diagnostics of the cluster after a failed test."""

import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.support import diagnostics, failures
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.everyday import everyday
from tests.e2e.support.laptop import laptop
from tests.e2e.support.progress import Reporter, Say

__all__ = ["everyday", "laptop"]

_LAST = "test_9_down.py"
_LOOKS = 3
"""The number of failures for which diagnostics are gathered."""
_looked = pytest.StashKey[int]()


def pytest_sessionstart() -> None:
    """Let SIGTERM have the effect of Ctrl-C: fixtures remove their clusters."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the files that remove a cluster be the last: suites that are joined share their cluster."""
    items.sort(key=lambda item: item.path.name == _LAST)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Keep the failures for the end of `make test`."""
    failures.write([*terminalreporter.stats.get("failed", []), *terminalreporter.stats.get("error", [])])


@pytest.fixture(scope="session")
def say(pytestconfig: pytest.Config) -> Say:
    """Print a line past the capture of pytest, also in a worker process of xdist, which has only standard error."""
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
    """Gather diagnostics of the first failures, before the cluster changes."""
    report: Any = yield
    cluster = getattr(item, "funcargs", {}).get("cluster")
    looked = item.config.stash.get(_looked, 0)
    if report.failed and report.when == "call" and isinstance(cluster, Cluster) and looked < _LOOKS:
        item.config.stash[_looked] = looked + 1
        folder = diagnostics.collect(cluster.stack, item.name, cluster.hosts)
        report.sections.append((f"cluster: all of it in {folder}", diagnostics.last_lines(folder)))
    return report
