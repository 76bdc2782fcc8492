"""A probe that runs in a machine's network while a test does something to the cluster."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from tests.e2e.support.kubeconfig import Credentials
from tests.e2e.support.machines import Machine
from tests.e2e.support.probe import Report
from tools.paths import this_clone

RATE = 20
"""Requests per second of each kind."""


@dataclass
class Probing:
    """A probe that is under way; `report` ends it."""

    process: subprocess.Popen[str]
    done: Report | None = None

    def report(self) -> Report:
        """End the probe (once) and give its findings."""
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
    """Ask `url`, as the machine sees it, from before the body until `report` is called or `seconds` are over.

    None is this host. Each request to an HTTPS URL shows the client certificate of `credentials` and verifies the
    server's.
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
        # nsenter without --fork becomes the probe, so signals reach it.
        assert process.stderr is not None
        first = process.stderr.readline()
        assert first == "started\n", f"the probe did not start: {first}{process.stderr.read()}"
        yield Probing(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
