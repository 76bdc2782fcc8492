"""All authorities and keys are replaced together, in three steps. Every step is killed once. No request fails."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from components.node.render.etcd import etcdctl
from tests.e2e.changes.conftest import Probes
from tests.e2e.rotation.conftest import (
    CONFIG,
    GONE,
    GONE_KEY,
    Before,
    Talker,
    encryption_keys,
    generations,
    read_page,
    rotate,
)
from tests.e2e.rotation.test_1_order import KEYS, with_generations
from tests.e2e.support.beat import beating
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.killing import begun, kill, seeded
from tests.e2e.support.kubeconfig import unpack
from tests.e2e.support.progress import Say
from tests.e2e.support.units import invocations, restarted

STEPS = 8
"""The least number of commands on machines in one step of the rotation: five stage, three activate."""


@pytest.fixture(scope="module")
def chance(say: Say) -> random.Random:
    """Random numbers for the moments of the kills. The printed seed repeats them."""
    seed, numbers = seeded()
    say(f"  HARDWAY_E2E_SEED={seed}")
    return numbers


@contextmanager
def everybody(cluster: Cluster, probes: Probes, say: Say) -> Iterator[None]:
    """During the body, send requests over new and kept connections at three places, and watch. Nothing may fail."""
    admin = unpack(cluster.stack.kubeconfig, cluster.stack.folder / "admin")
    ready_since = cluster.ready_since()
    with probes() as watch, beating(cluster.stack.output("endpoint"), admin) as beat:
        yield
        watch.assert_none_failed()
    say(f"  {beat.line()}")
    beat.assert_whole()
    # Not an error: a kubelet may report this if the API is slow while the kubelet starts.
    flapped = [name for name, since in cluster.ready_since().items() if since != ready_since[name]]
    say(f"  nodes that were reported as not ready for a moment: {', '.join(flapped) or 'none'}")


def killed(cluster: Cluster, chance: random.Random, say: Say, target: str = "up") -> None:
    """Run `make up` with the current page, and kill the run between its first and its last command on a machine."""
    updates: Callable[[], int] = lambda: begun(cluster.stack, "update")  # noqa: E731
    moment, later = chance.randint(1, STEPS), chance.uniform(0, 2)
    done = kill(cluster.stack, target, updates, moment, later)
    say(f"  killed at step {moment} + {later:.1f} s: {done}")
    assert done.code in (None, 0), done.tail()


@pytest.fixture
def step(cluster: Cluster, probes: Probes, talker: Talker, chance: random.Random, say: Say) -> Callable[[int], None]:
    """A step of all keys in which both generations are trusted, by the number of the active one; killed once."""

    def take(active: int) -> None:
        with_generations(cluster, [1, 2], active)
        with everybody(cluster, probes, say):
            killed(cluster, chance, say)
            run = rotate(cluster, "all")
        say(f"  complete after {run.seconds:.1f} s")
        assert generations(cluster) == dict.fromkeys(KEYS, ([1, 2], active))
        assert talker.failed(cluster) == 0

    return take


def test_trust(cluster: Cluster, before: Before, step: Callable[[int], None]) -> None:
    """Every machine trusts the second generations; the first generations are in use."""
    step(1)
    assert cluster.machines["worker-2"].read("/opt/kubernetes/ssl/kubernetes-ca.pem").count("BEGIN CERT") == 2


def test_use(step: Callable[[int], None]) -> None:
    """The second generations sign and encrypt."""
    step(2)


@pytest.mark.long
def test_the_second_step_can_be_taken_back(cluster: Cluster, probes: Probes, say: Say) -> None:
    """For two keys, and then taken again. Secrets are always encrypted with the key in use."""
    with everybody(cluster, probes, say):
        for active in (1, 2):
            with_generations(cluster, [1, 2], active, keys=("frontProxy", "encryption"))
            run = cluster.up()
            say(f"  generation {active} in use after {run.seconds:.1f} s")
            assert generations(cluster)["encryption"] == ([1, 2], active)
            assert set(encryption_keys(cluster)) == {f"key{active}"}


def test_people_and_pods_of_before_go_on(cluster: Cluster, before: Before) -> None:
    """A kubeconfig of the first generation is good until the last step: the servers show how they follow from it."""
    old = cluster.kubectl.as_other(before.kubeconfig)
    assert old("get", "namespaces", "--output=name").code == 0


def test_pods_that_do_not_know_the_next_authority_stop_the_rotation(cluster: Cluster, talker: Talker) -> None:
    """The error names the pods' Deployment, and the page does not change."""
    page = cluster.stack.clone.page(cluster.stack.name)
    text = page.read_text()
    run = rotate(cluster, "all", pods="", expected=2)
    assert f"deployment/{talker.name} in {talker.namespace}" in run.output
    assert page.read_text() == text


def test_a_secret_of_the_first_key_stops_the_last_step(cluster: Cluster, before: Before) -> None:
    """As after a step 2 that failed, or a snapshot that was restored. The machines look into etcd before the step."""
    machine, page = cluster.machines["cp-1"], cluster.stack.page
    machine.run(f"base64 -d | {etcdctl(f'put {GONE_KEY}')}", stdin=before.secret).ok()
    units = invocations(cluster)
    with_generations(cluster, [2], 2)
    run = cluster.up(expected=2)
    assert "1 Secrets in etcd need generation 1 of the key encryption" in run.output, run.tail()
    assert restarted(units, invocations(cluster)) == set()
    assert generations(cluster) == dict.fromkeys(KEYS, ([1, 2], 2))
    cluster.change({CONFIG: page[CONFIG]})
    cluster.kubectl("delete", "secret", GONE, "--namespace=default").ok()


@pytest.mark.proves_changes("pki.generations")
def test_stop_trusting(
    cluster: Cluster,
    probes: Probes,
    talker: Talker,
    chance: random.Random,
    monkeypatch: pytest.MonkeyPatch,
    say: Say,
) -> None:
    """Pods restart where they have to; then no machine trusts the first generations."""
    for name, value in {"WHAT": "all", "APPLY": "next", "PODS": "restart"}.items():
        monkeypatch.setenv(name, value)
    with everybody(cluster, probes, say):
        killed(cluster, chance, say, "rotate")
        read_page(cluster)
        run = rotate(cluster, "all")
    say(f"  given up after {run.seconds:.1f} s")
    assert generations(cluster) == dict.fromkeys(KEYS, ([2], 2))
    assert talker.failed(cluster) == 0
    assert set(cluster.readiness().values()) == {"True"}
