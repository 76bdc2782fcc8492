"""The commands of each node: `stage` brings a release to the machine, `activate` makes the release current."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import pulumi
import pulumi_command as command

from components.artifacts.lock import Artifact
from components.config.rollout import HEALTH
from components.machines.base import Machine
from components.node.model import ROOT, NodePart
from components.node.payload import release_payload
from components.node.release import (
    Release,
    describe,
    file_digest,
    fixed_manifest,
    material_files,
    outline,
    refs,
)
from components.pki.material import Material
from components.resource_names import NodeResource

_RELEASES = f"{ROOT}/releases"
_HEALTH_LIMIT = "HARDWAY_HEALTH_LIMIT"


@dataclass(frozen=True)
class StagedNode:
    """A node whose release is on its machine; `digest` names the release, `command` staged the release."""

    name: str
    machine: Machine
    digest: pulumi.Output[str]
    command: pulumi.Resource
    health_timeout: timedelta = HEALTH

    def patience(self, *variables: str) -> str:
        """The beginning of a command line that gives scripts the limit of the page. Empty if it is their own limit."""
        return _patience(self.health_timeout, variables)

    def newest_script(self, name: str, arguments: str) -> str:
        """A command line that runs a script of the release that was staged last, with the settings of this run.

        Without a digest in the command line, another release does not run the command again.
        """
        # Files have no time of their own, directories have.
        script = f'sh "$(ls -td {_RELEASES}/*/ | head -n 1){name}.sh"'
        return f"{self.machine.become}sh -c '{script} {arguments}'"


@dataclass(frozen=True)
class NodeReleaseArgs:
    """A machine, its wanted state, the programs and material that the state refers to, the mirror's base URL."""

    machine: Machine
    part: NodePart
    artifacts: Mapping[str, Artifact]
    material: Mapping[str, Material]
    mirror: pulumi.Input[str]
    health_timeout: timedelta = HEALTH
    after: Sequence[pulumi.Resource] = ()
    """Resources that have to exist before the first command runs on the machine."""


class NodeRelease(pulumi.ComponentResource):
    """The wanted state of one node, staged but not active; `manifest` has a digest for each part.

    Digest, manifest and outline are inputs as well: a preview compares those, and outputs of components are not in
    it. Each part of the manifest is an output of its own, so that one new certificate leaves the others known.
    """

    digest: pulumi.Output[str]
    manifest: dict[str, pulumi.Input[str]]

    def __init__(self, name: str, args: NodeReleaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        names = refs(args.part)
        # Two steps: an output of a secret is secret, and the name of a release must not be secret.
        identities = pulumi.Output.all(**{n: args.material[n].identity for n in names})
        release = identities.apply(lambda known: describe(args.part, args.artifacts, known))
        digest, manifest = release.apply(lambda r: r.digest), _manifest(args)
        shown = {"digest": digest, "manifest": manifest, **_outline(args)}
        super().__init__("hardway:node:NodeRelease", name, shown, opts)
        self.digest, self.manifest = digest, manifest
        contents = pulumi.Output.all(**{n: args.material[n].content for n in names})
        payload = pulumi.Output.all(release=release, contents=contents, mirror=args.mirror).apply(
            lambda known: release_payload(
                args.part, known["release"], args.artifacts, known["contents"], known["mirror"]
            )
        )
        become = args.machine.become + _patience(args.health_timeout, (_HEALTH_LIMIT,))
        script = pulumi.Output.all(digest=self.digest, wait=args.machine.wait).apply(
            lambda known: _stage_script(known["digest"], become, known["wait"], args.machine.installs_packages)
        )
        stage = command_on(
            NodeResource.STAGE.name_for(name),
            args.machine,
            script,
            payload,
            self,
            args.after,
            args.machine.removal or None,
        )
        self.staged = StagedNode(args.machine.name, args.machine, self.digest, stage, args.health_timeout)
        self.register_outputs({"digest": self.digest, "manifest": self.manifest})


def activate(
    node: StagedNode, parent: pulumi.Resource, after: Sequence[pulumi.Resource], drain: timedelta | None = None
) -> pulumi.Resource:
    """Activate a staged release after everything in `after`; the command ends when all units are healthy.

    `drain` is how long pods may take to leave the node, where the step from one release to the other needs that.
    """
    limit = f" {int(drain.total_seconds())}" if drain else ""
    run = f"{node.machine.become}{node.patience(_HEALTH_LIMIT)}sh"
    script = node.digest.apply(lambda d: f"{run} {_RELEASES}/{d}/apply.sh activate {d}{limit}")
    return command_on(
        NodeResource.ACTIVATE.name_for(node.name), node.machine, script, None, parent, (node.command, *after)
    )


def _patience(limit: timedelta, variables: Sequence[str]) -> str:
    # Without the variables, the command lines of most clusters are as they were.
    seconds = int(limit.total_seconds())
    return "" if limit == HEALTH else f"env {' '.join(f'{name}={seconds}' for name in variables)} "


def _manifest(args: NodeReleaseArgs) -> dict[str, pulumi.Input[str]]:
    manifest: dict[str, pulumi.Input[str]] = {**fixed_manifest(args.part, args.artifacts)}
    for path, (file, name) in material_files(args.part).items():
        manifest[path] = args.material[name].identity.apply(functools.partial(file_digest, file))
    return manifest


def _outline(args: NodeReleaseArgs) -> dict[str, pulumi.Input[object]]:
    shown: dict[str, pulumi.Input[object]] = {**outline(args.part, args.artifacts)}
    # If the page keeps flags secret, then no preview may show the flags.
    if pulumi.runtime.is_config_secret("hardway:extraArgs"):
        shown["flags"] = pulumi.Output.secret(shown["flags"])
    return shown


def _stage_script(digest: str, become: str, wait: str = "", installs: bool = False) -> str:
    # The archive with the script comes on standard input: Pulumi prints the whole text of a command that fails.
    unpack = (
        f"mkdir -p {_RELEASES}; d=$(mktemp -d {_RELEASES}/.new-XXXXXX); "
        "base64 -d | tar -xzpf - -C $d || { rm -rf $d; exit 1; }"  # cut off when whoever sends it is killed
    )
    before, packages = f"{wait}; " if wait else "", " install" if installs else ""
    return f"{become}sh -euc 'umask 022; {before}{unpack}; sh $d/apply.sh stage {digest} $d{packages}'"


def command_on(
    name: str,
    machine: Machine,
    script: pulumi.Input[str],
    stdin: pulumi.Input[str] | None,
    parent: pulumi.Resource | None,
    after: Sequence[pulumi.Resource],
    delete: str | None = None,
    update: str | None = None,
) -> command.remote.Command:
    """A command on a machine, with `stdin` as its secret input; an `up` that changes `script` runs it again.

    Another `stdin` also runs `script` again. With `update`, another `stdin` runs the script `update` instead.
    """
    made = [machine.resource] if machine.resource else []
    return command.remote.Command(
        name,
        connection=machine.connection,
        create=script,
        delete=delete,
        update=update,
        stdin=pulumi.Output.secret(stdin) if stdin is not None else None,
        # The engine shows the last line while the command runs. Secrets are never on standard output.
        logging=command.remote.Logging.STDOUT,
        add_previous_output_in_env=False,
        opts=pulumi.ResourceOptions(
            parent=parent,
            depends_on=[*made, *machine.after, *after],
            deleted_with=machine.resource,
            replace_with=made,
            # A replacement runs `script`, in place of `update`.
            replace_on_changes=["create"] if update else None,
        ),
    )


__all__ = ["NodeRelease", "NodeReleaseArgs", "Release", "StagedNode", "activate", "command_on"]
