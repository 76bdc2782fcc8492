"""A dead machine: a run without changes does not connect to it; a change names it and continues when it is back."""

import re
import subprocess
import time

from tests.e2e.resume.test_2_change import flagged, in_force
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.killing import begun
from tests.e2e.support.progress import Say
from tests.wait import eventually

LIMIT = 240
"""Seconds. Connections are attempted for 80 s; the rest is for a busy host."""


def test_an_empty_run_asks_nobody(cluster: Cluster, say: Say) -> None:
    """A run without changes succeeds with a dead worker, and with a dead control-plane node."""
    for name in ("worker-1", "cp-1"):
        cluster.machines[name].kill()
        try:
            run = cluster.stack.up()
            say(f"  {name} is dead: make up took {run.seconds:.1f} s")
            assert run.code == 0, run.tail()
            summary = run.output.partition("Resources:")[2].partition("Duration:")[0]
            assert re.fullmatch(r"\s*\d+ unchanged\s*", summary), run.tail()
        finally:
            cluster.machines[name].start()
    eventually(lambda: cluster.kubectl("--request-timeout=5s", "get", "--raw=/readyz").ok(), 120, "the API is back")


def test_a_machine_dies_in_the_middle(cluster: Cluster, say: Say) -> None:
    """The worker dies after staging: the run names it, finished steps stay, and the next run does the rest."""
    flagged(cluster, 80)
    worker, stack = cluster.machines["worker-1"], cluster.stack
    command, environment = stack.starting("up")
    log = stack.folder / "unreachable.log"
    start = time.monotonic()
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=stack.clone.root, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        # Both machines are staged, and the activation of the control plane has begun.
        while process.poll() is None and begun(stack, "update") < 3:
            time.sleep(0.1)
        worker.kill()
        dead = time.monotonic()
        code = process.wait(LIMIT)
    finally:
        process.kill()
        process.wait()
    said = log.read_text()
    assert code != 0, said
    say(f"  ended {time.monotonic() - dead:.1f} s after the machine, {time.monotonic() - start:.1f} s in all")
    sentence = next(line for line in said.splitlines() if "did not answer by SSH" in line)
    say(f"  {sentence}")
    assert sentence.startswith("worker-1 ") or " worker-1 did not answer" in sentence
    capacity = {node["metadata"]["name"]: node["status"]["capacity"]["pods"] for node in cluster.kubectl.items("nodes")}
    assert capacity == {"cp-1": "80", "worker-1": "90"}, "the control plane has it, the worker not"
    worker.start()
    run = stack.up()
    assert run.code == 0, run.tail(60)
    eventually(lambda: in_force(cluster, 80), 60, "the worker has it")
