"""The order in which staged releases are activated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

import pulumi

from components.rollout.node_release import StagedNode, activate


def roll(
    parent: pulumi.Resource,
    nodes: Sequence[StagedNode],
    staged: Iterable[StagedNode],
    after: Iterable[pulumi.Resource] = (),
    at_once: int = 1,
    drain: timedelta | None = None,
) -> dict[str, pulumi.Resource]:
    """Activate `nodes` in their order, `at_once` at a time.

    The first comes after every node of the cluster is staged and
    everything in `after` is done. `drain` is how long the pods of a node may take to leave it where a change needs that
    (None: they never have to). Returns each node's activation.

    Staging everywhere first means that a download that fails stops a change before any node has taken part in it.
    """
    before = [*(node.command for node in staged), *after]
    return in_turn(nodes, lambda node, waits: activate(node, parent, waits, drain), before, at_once)


def in_turn(
    nodes: Sequence[StagedNode],
    act: Callable[[StagedNode, list[pulumi.Resource]], pulumi.Resource],
    before: Sequence[pulumi.Resource],
    at_once: int,
) -> dict[str, pulumi.Resource]:
    """Let `act` make a command for each node, with what the command waits for. Returns the commands by node name.

    The first nodes wait for `before`. Each further node waits for the node that is `at_once` places ahead, and so for
    `before` as well. To name `before` for every node would mean 250,000 dependencies for 500 nodes, all of them in the
    state, and the SDK of Pulumi walks over the whole graph for each dependency.
    """
    done: dict[str, pulumi.Resource] = {}
    for index, node in enumerate(nodes):
        done[node.name] = act(node, [done[nodes[index - at_once].name]] if index >= at_once else [*before])
    return done
