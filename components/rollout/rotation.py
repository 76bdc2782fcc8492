"""A step of a rotation: its record, and the commands that complete it after all nodes have activated their releases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.config.backup import Restore
from components.config.generations import KeyGenerations
from components.config.rotation import recorded
from components.node.model import ROOT
from components.resource_names import SETTLE, NodeResource
from components.rollout.node_release import StagedNode, command_on
from components.rollout.order import in_turn
from components.rollout.restore import again_after
from components.topology import Topology


def begin_step(generations: KeyGenerations) -> pulumi.Stash | None:
    """Record the generations on the page, with a new random id for each change. Releases are staged after the record.

    The id is an argument of the commands that complete a step. So the commands run again for each change, also if a
    step failed half way and the page took the step back. None if all keys are in their first generation.
    """
    if generations == KeyGenerations():
        return None
    # A Stash that is replaced gets a new id.
    return pulumi.Stash(
        "rotation-begun",
        input=recorded(generations),
        opts=pulumi.ResourceOptions(replace_on_changes=["input"]),
    )


@dataclass(frozen=True)
class RotationArgs:
    """The generations on the page, the nodes, and the activations that the commands wait for.

    `begun` is the record of `begin_step`. `restore` is the restore on the page.

    `kubeconfig` has all rights and reaches the API from a node. `control_plane` are the commands after which all API
    servers have the generations and know these rights. `workers` are the activations of the workers, by the name of the
    node. `at_once` is how many kubelets of plain workers may restart at the same time.
    """

    generations: KeyGenerations
    begun: pulumi.Stash | None
    restore: Restore | None
    topology: Topology
    staged: Mapping[str, StagedNode]
    kubeconfig: pulumi.Input[str]
    control_plane: Sequence[pulumi.Resource]
    workers: Mapping[str, pulumi.Resource]
    at_once: int


class Rotation(pulumi.ComponentResource):
    """Brings the API and all kubelets to the generations on the page.

    `settled` is the command that runs settle.sh: after it, every namespace has the current trust bundle, and every
    Secret is encrypted with the key in use. `renewed` are the commands that run kubelet_renew.sh, by the name of the
    node: after them, the certificate of the kubelet and the tokens of its pods are of the generations in use. Kubelets
    restart for that in the order of a roll: if all of them did at once, then whatever asks all kubelets, as
    metrics-server does, would have no answer for a while.

    If all keys of a cluster are in their first generation, then the cluster has none of these resources.
    """

    settled: list[pulumi.Resource]
    renewed: dict[str, pulumi.Resource]

    def __init__(self, name: str, args: RotationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        # An input, because a preview compares inputs: the report and the policies read the step from it.
        shown = {"generations": recorded(args.generations)}
        super().__init__("hardway:rollout:Rotation", name, shown, opts)
        self.settled, self.renewed = [], {}
        if args.begun:
            self._settle(args, args.begun)
            self._renew(args, args.begun)
        self.register_outputs({})

    def _settle(self, args: RotationArgs, begun: pulumi.Stash) -> None:
        node = args.staged[args.topology.control_plane_nodes[0].name]
        keys = args.generations.by_key()
        concerned = {key: keys[key] for key in ("kubernetes", "front-proxy", "encryption")}
        words = " ".join(f"{key} {','.join(map(str, of.active_first))}" for key, of in concerned.items())
        limit = node.patience("HARDWAY_SETTLE_LIMIT")
        settle = f"{node.machine.become}{limit}sh {ROOT}/current/settle.sh {words} change "
        # A snapshot may be older than the step: its Secrets are encrypted with the key of before.
        script = pulumi.Output.concat(settle, begun.id, again_after(args.restore))
        kubeconfig = pulumi.Output.from_input(args.kubeconfig)
        # The credential has a short life. A renewal of the credential is no reason to write all Secrets again.
        self.settled.append(
            command_on(SETTLE, node.machine, script, kubeconfig, self, args.control_plane, update="cat >/dev/null")
        )

    def _renew(self, args: RotationArgs, begun: pulumi.Stash) -> None:
        keys = args.generations.by_key()
        in_use = {key: keys[key].active for key in ("kubernetes", "service-account")}
        words = " ".join(f"{key} {active}" for key, active in in_use.items())

        def renew(node: StagedNode, waits: list[pulumi.Resource]) -> pulumi.Resource:
            limit = node.patience("HARDWAY_RENEW_LIMIT")
            script = f"{node.machine.become}{limit}sh {ROOT}/current/kubelet_renew.sh {words} change "
            own = [args.workers[node.name]] if node.name in args.workers else []
            name = NodeResource.CREDENTIALS.name_for(node.name)
            return command_on(name, node.machine, pulumi.Output.concat(script, begun.id), None, self, [*waits, *own])

        plain = args.topology.plain_workers
        alone = [args.staged[node.name] for node in args.topology.kubelet_nodes if node not in plain]
        before = [*args.control_plane, *self.settled]
        first = in_turn(alone, renew, before, 1)
        rest = [args.staged[node.name] for node in plain]
        self.renewed = first | in_turn(rest, renew, [*before, *first.values()], args.at_once)
