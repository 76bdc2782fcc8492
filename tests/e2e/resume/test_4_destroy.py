"""`make down` without an API server, without a machine that somebody removed, and after a killed run."""

import random

import pytest

from tests.e2e.resume.conftest import Begin
from tests.e2e.support import inventory
from tests.e2e.support.cluster import Cluster, keeping
from tests.e2e.support.killing import kill, recorded
from tests.e2e.support.process import ask
from tests.e2e.support.progress import Say


def test_down_without_machines(begin: Begin, cluster: Cluster, chance: random.Random, say: Say) -> None:
    """`make down` leaves nothing, neither of the state nor of what a killed run has not recorded."""
    if keeping():
        pytest.skip("the stack stays")
    stack, lab = begin.stack, begin.stack.lab
    control_plane, worker = cluster.machines["cp-1"], cluster.machines["worker-1"]
    marks = (lab.subnet.rpartition(".")[0] + ".", lab.name)
    control_plane.kill()
    ask([*worker.engine, "rm", "--force", "--volumes", worker.container]).ok()
    ask([*worker.engine, "volume", "rm", "--force", worker.container]).ok()
    # As if a run had been killed between making a machine and recording it.
    ask(
        [
            *worker.engine,
            "create",
            "--name",
            f"{lab.name}-extra",
            "--label",
            f"hardway.lab={lab.name}",
            "--volume",
            f"{lab.name}-extra:/var",
            "--network",
            lab.name,
            image_of(control_plane.engine, control_plane.container),
        ]
    ).ok()
    whole = recorded(stack)
    moment = chance.randrange(1, whole)
    later = chance.uniform(0, 1)
    done = kill(stack, "down", lambda: whole - recorded(stack), moment, later)
    say(f"  killed when {moment} of {whole} resources were gone + {later:.1f} s: {done}")
    run = stack.down()
    say(f"  make down: {run.seconds:.1f} s")
    assert run.code == 0, run.tail()
    stack.forget()
    cluster.is_down = True
    assert inventory.take(stack.clone, lab=lab.name).new_since(begin.before) == {}
    for look in (inventory.firewall, inventory.interfaces, inventory.processes):
        assert inventory.traces(look(), marks) == [], look.__name__
    assert not (stack.clone.state / stack.name).exists()


def image_of(engine: tuple[str, ...], container: str) -> str:
    """The image of a container."""
    return ask([*engine, "inspect", "--format", "{{.ImageName}}", container]).ok().strip()
