"""A cluster on simulated machines, with the interface that the tests of local clusters use."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

from tests.e2e.aws.stack import STAND_INS, AwsStack
from tests.e2e.aws.stand_ins import NODES
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.kubectl import write_private
from tests.e2e.support.machines import Machine, machines_of
from tests.e2e.support.process import Run, run_long
from tests.e2e.support.stack import Stack


@dataclass(frozen=True, kw_only=True)
class StandInStack(Stack):
    """A stack that runs `up` of `aws`, with the program for machines that are containers."""

    aws: AwsStack

    @property
    def kubeconfig(self) -> Any:
        """The path to which `up` writes the kubeconfig of the admin."""
        return self.folder / "kubeconfig"

    def up(self, arguments: str = "", extra: Mapping[str, str] | None = None) -> Run:
        """`pulumi up`."""
        run = self.aws.run("up", *shlex.split(arguments), program=STAND_INS, extra=extra)
        if run.code == 0:
            write_private(self.kubeconfig, self.output("kubeconfig"))
        return run

    def restore(self, snapshot: str, machines: str) -> Run:
        """`make restore`. Afterwards the page has the restore."""
        command = [sys.executable, "-m", "tests.e2e.aws.operate", self.name, str(self.folder), "restore"]
        log = self.folder / "restore.log"
        run = run_long(
            [*command, snapshot, machines],
            cwd=self.clone.root,
            env=self.aws.of_nobody(),
            log=log,
            say=self.say,
            limit=self.limit,
        )
        page = yaml.safe_load((self.folder / "page.yaml").read_text())["config"]
        self.aws.page["restore"] = page["hardway:restore"]
        return run

    def environment(self) -> dict[str, str]:
        """The environment of programs that run for this stack."""
        return self.aws.environment()

    def down(self) -> Run:
        """`pulumi destroy`."""
        return self.aws.run("destroy", program=STAND_INS)

    def forget(self) -> None:
        """Nothing to remove: the clone has no file of this stack."""

    def output(self, name: str) -> Any:
        """The value of a stack output."""
        return self.aws.output(name)


def stack_of(aws: AwsStack) -> StandInStack:
    """The stack with the interface that tests of clusters use."""
    page = {f"hardway:{key}": value for key, value in aws.page.items()}
    return StandInStack(aws.name, page, aws.say, clone=aws.clone, aws=aws)


@dataclass
class StandInCluster(Cluster):
    """A cluster whose machines have the addresses of their instances."""

    @cached_property
    def machines(self) -> dict[str, Machine]:
        """The machines by node name."""
        found, nodes = machines_of(self.stack), self.stack.output("nodes")
        return {name: dataclasses.replace(found[name], address=nodes[name]["address"]) for name in NODES}


def cluster_of(aws: AwsStack, up: Run) -> Cluster:
    """The cluster after its first `up`."""
    stack = stack_of(aws)
    write_private(stack.kubeconfig, stack.output("kubeconfig"))
    return StandInCluster(stack, up, None)
