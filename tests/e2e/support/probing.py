"""A probe in the network of a machine, which runs while a test changes the cluster."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from tests.e2e.support.kubeconfig import Credentials
from tests.e2e.support.machines import Machine
from tests.e2e.support.probe import Report
from tools.common.paths import this_clone

RATE = 5
"""Requests per second of each kind. Each costs the host some 20 ms: 5 ms in the probe, the rest in proxies, API server
and etcd. Four probes with 10 of each kind took one of two slow processors from what they measure."""


@dataclass
class Probing:
    """A running probe. `report` ends it."""

    process: subprocess.Popen[str]
    done: Report | None = None

    def report(self) -> Report:
        """End the probe, once, and return its results."""
        if self.done is None:
            self.process.terminate()
            try:
                text, problems = self.process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                text, problems = self.process.communicate()
            assert text.strip(), f"the probe said nothing: {problems}"
            self.done = Report.from_json(text)
        return self.done


@contextlib.contextmanager
def probing(
    machine: Machine | None, url: str, seconds: float, credentials: Credentials | None = None
) -> Iterator[Probing]:
    """A probe of `url` in the network of `machine` (None: this host), until `report` is called or `seconds` are over.

    Each request to an HTTPS URL presents the client certificate of `credentials` and verifies the server.
    """
    command = [sys.executable, "-m", "tests.e2e.support.probe", "--json", f"--url={url}"]
    command += [f"--rate={RATE}", f"--seconds={seconds}"]
    if credentials:
        command += [f"--ca={credentials.ca}", f"--cert={credentials.cert}", f"--key={credentials.key}"]
    process = subprocess.Popen(
        machine.in_network(command) if machine else command,
        cwd=this_clone().root,
        env=os.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        # nsenter without --fork executes the probe in its own process, so signals reach the probe.
        assert process.stderr is not None
        first = process.stderr.readline()
        assert first == "started\n", f"the probe did not start: {first}{process.stderr.read()}"
        yield Probing(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
