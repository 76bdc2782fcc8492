"""The one or two commands of each node: `stage` brings a release onto it, `activate` makes it the current one."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import pulumi
import pulumi_command as command

from components.artifacts.lock import Artifact
from components.machines.base import Machine
from components.node.model import ROOT, Part
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

_RELEASES = f"{ROOT}/releases"


@dataclass(frozen=True)
class StagedNode:
    """A node whose release lies on its machine; `digest` names the release, `command` is what brought it there."""

    name: str
    machine: Machine
    digest: pulumi.Output[str]
    command: pulumi.Resource


@dataclass(frozen=True)
class NodeReleaseArgs:
    """A machine, what should be on it, the programs and the PKI material this refers to, and the mirror's base URL."""

    machine: Machine
    part: Part
    artifacts: Mapping[str, Artifact]
    material: Mapping[str, Material]
    mirror: pulumi.Input[str]
    after: Sequence[pulumi.Resource] = ()
    """What has to be there before the machine is touched."""


class NodeRelease(pulumi.ComponentResource):
    """The wanted state of one node, brought there but not yet in force; `manifest` has a digest for each part.

    Digest, manifest and outline are inputs as well: a preview compares those, and outputs of components are not in
    it. Each part of the manifest is an output of its own, so that one new certificate leaves the others known.
    """

    digest: pulumi.Output[str]
    manifest: dict[str, pulumi.Input[str]]

    def __init__(self, name: str, args: NodeReleaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        names = refs(args.part)
        # Two steps, since what comes out of a secret is secret: the name of a release must not be.
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
        how = args.machine.become, args.machine.wait, args.machine.installs_packages
        script = self.digest.apply(lambda digest: _stage_script(digest, *how))
        stage = _command(f"{name}-stage", args.machine, script, payload, self, args.after, args.machine.removal or None)
        self.staged = StagedNode(args.machine.name, args.machine, self.digest, stage)
        self.register_outputs({"digest": self.digest, "manifest": self.manifest})


def activate(
    node: StagedNode, parent: pulumi.Resource, after: Sequence[pulumi.Resource], drain: timedelta | None = None
) -> pulumi.Resource:
    """Put a staged release in force once everything in `after` is done; ends when all its units are healthy.

    `drain` is how long pods may take to leave the node, where the step from one release to the other needs that.
    """
    limit = f" {int(drain.total_seconds())}" if drain else ""
    script = node.digest.apply(lambda d: f"{node.machine.become}sh {_RELEASES}/{d}/apply.sh activate {d}{limit}")
    return _command(f"{node.name}-activate", node.machine, script, None, parent, (node.command, *after))


def _manifest(args: NodeReleaseArgs) -> dict[str, pulumi.Input[str]]:
    manifest: dict[str, pulumi.Input[str]] = {**fixed_manifest(args.part, args.artifacts)}
    for path, (file, name) in material_files(args.part).items():
        manifest[path] = args.material[name].identity.apply(functools.partial(file_digest, file))
    return manifest


def _outline(args: NodeReleaseArgs) -> dict[str, pulumi.Input[object]]:
    shown: dict[str, pulumi.Input[object]] = {**outline(args.part, args.artifacts)}
    # Whoever keeps the page's flags secret wants to see them in no preview.
    if pulumi.runtime.is_config_secret("hardway:extraArgs"):
        shown["flags"] = pulumi.Output.secret(shown["flags"])
    return shown


def _stage_script(digest: str, become: str, wait: str = "", installs: bool = False) -> str:
    # The archive and the script in it come on standard input: a failing command is printed whole, secrets and all.
    unpack = (
        f"mkdir -p {_RELEASES}; d=$(mktemp -d {_RELEASES}/.new-XXXXXX); "
        "base64 -d | tar -xzpf - -C $d || { rm -rf $d; exit 1; }"  # cut off when whoever sends it is killed
    )
    before, packages = f"{wait}; " if wait else "", " install" if installs else ""
    return f"{become}sh -euc 'umask 022; {before}{unpack}; sh $d/apply.sh stage {digest} $d{packages}'"


def _command(
    name: str,
    machine: Machine,
    script: pulumi.Input[str],
    stdin: pulumi.Input[str] | None,
    parent: pulumi.Resource,
    after: Sequence[pulumi.Resource],
    delete: str | None = None,
) -> command.remote.Command:
    made = [machine.resource] if machine.resource else []
    return command.remote.Command(
        name,
        connection=machine.connection,
        create=script,
        delete=delete,
        stdin=pulumi.Output.secret(stdin) if stdin is not None else None,
        logging=command.remote.Logging.NONE,
        add_previous_output_in_env=False,
        opts=pulumi.ResourceOptions(
            parent=parent,
            depends_on=[*made, *machine.after, *after],
            deleted_with=machine.resource,
            replace_with=made,
        ),
    )


__all__ = ["NodeRelease", "NodeReleaseArgs", "Release", "StagedNode", "activate"]
