"""The commands. Each command imports its modules when it runs, because imports are a tenth of a run without changes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tools.common.errors import ToolError
from tools.common.paths import shared_cache, this_clone

if TYPE_CHECKING:
    from tools.operate.stack import Stack

THEN = "then"

_for_stack = click.option("--stack", default="dev", show_default=True, metavar="NAME", help="The stack.")
_file = click.Path(exists=True, dir_okay=False, path_type=Path)


def main(arguments: list[str]) -> int:
    """Run a command, or build and then run another command (`build ... then COMMAND ...`). Return the exit code."""
    if arguments[:1] == ["build"] and THEN in arguments:
        here = arguments.index(THEN)
        return _run(arguments[:here]) or _run(arguments[here + 1 :])
    return _run(arguments)


def _run(arguments: list[str]) -> int:
    try:
        return commands.main(arguments, prog_name="python -m tools", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None


@click.group(
    context_settings={"max_content_width": 120},
    epilog="`python3 -m tools.prepare COMMAND` makes the virtual environment first; it also has: venv, clean-cache.",
)
def commands() -> None:
    """Build what a stack needs, and operate stacks."""


def _for_pulumi(function: Callable[..., Any]) -> click.Command:
    """Make a command for one stack. The command passes unknown arguments to Pulumi."""
    function = click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGUMENTS FOR PULUMI]...")(
        function
    )
    return commands.command(context_settings={"ignore_unknown_options": True})(_for_stack(function))


def _stack(name: str) -> Stack:
    from tools.operate.stack import Stack

    return Stack(this_clone(), name)


@_for_pulumi
def up(stack: str, arguments: tuple[str, ...]) -> int:
    """Create or change a stack."""
    return _stack(stack).up(arguments)


@_for_pulumi
def preview(stack: str, arguments: tuple[str, ...]) -> int:
    """Show what `up` would change, and write a report."""
    return _stack(stack).preview(arguments)


@_for_pulumi
def renew(stack: str, arguments: tuple[str, ...]) -> int:
    """Renew the certificates that are due, if nothing else would change."""
    return _stack(stack).renew(arguments)


@_for_pulumi
def destroy(stack: str, arguments: tuple[str, ...]) -> int:
    """Remove a stack and everything that the stack made."""
    return _stack(stack).destroy(arguments)


@_for_pulumi
def outputs(stack: str, arguments: tuple[str, ...]) -> int:
    """Print the outputs of a stack."""
    return _stack(stack).outputs(arguments)


@_for_pulumi
@click.option("--node", required=True, metavar="NAME", help="The node.")
def replace(stack: str, node: str, arguments: tuple[str, ...]) -> int:
    """Replace the machine of a node."""
    from tools.operate.replace import replace

    return replace(_stack(stack), node, arguments)


@_for_pulumi
@click.option("--what", required=True, metavar="KEY", help="The key; `all` for all keys.")
@click.option("--apply", type=click.Choice(["next", "all"]), help="Take the next step, or all steps.")
@click.option("--pods", type=click.Choice(["restart", "keep"]), help="Pods that may not know the authority that stays.")
def rotate(stack: str, what: str, apply: str | None, pods: str | None, arguments: tuple[str, ...]) -> int:
    """Propose the next step of the rotation of a key, or take steps."""
    from tools.rotate.rotate import Apply, Pods, rotate
    from tools.rotate.steps import ALL, KEYS

    if what not in (ALL, *KEYS):
        raise click.BadParameter(f"{what!r}; allowed: {', '.join((*KEYS, ALL))}", param_hint="--what")
    return rotate(_stack(stack), what, Apply(apply) if apply else None, Pods(pods) if pods else None, arguments)


@commands.command()
@_for_stack
@click.option("--what", type=click.Choice(["now", "list"]), default="now", help="Take a snapshot now, or list them.")
def backup(stack: str, what: str) -> int:
    """Take a snapshot of etcd and of a state that lies in this clone, or list the snapshots of etcd."""
    from tools.operate import snapshots

    return snapshots.take(_stack(stack)) if what == "now" else snapshots.show(_stack(stack))


@commands.command()
@_for_stack
@click.option("--snapshot", required=True, metavar="latest|ID|TIME", help="The snapshot.")
@click.option("--machines", default="", metavar="NAMES|all", help="Machines that are made anew.")
@click.option("--confirm", default="", metavar="STACK", help="Needed if the API answers: the name of the stack.")
def restore(stack: str, snapshot: str, machines: str, confirm: str) -> int:
    """Replace the data of etcd with a snapshot."""
    from tools.operate.restore import restore

    return restore(_stack(stack), snapshot, machines, confirm)


@commands.command()
@_for_stack
def defrag(stack: str) -> int:
    """Compact etcd, and defragment members where that is worth it; disarm its alarm NOSPACE."""
    from tools.operate.defrag import defragment

    return defragment(_stack(stack))


@commands.command()
@_for_stack
def env(stack: str) -> None:
    """Print the environment of a stack as `export` lines."""
    from tools.operate import envsh

    envsh.prepare_state(this_clone())
    print(envsh.export_lines(this_clone(), stack, os.environ), end="")


@commands.command()
@_for_stack
def kubeconfig(stack: str) -> None:
    """Write the kubeconfig of a stack and print its path."""
    print(_stack(stack).write_kubeconfig())


@commands.command("host-keys")
@_for_stack
def host_keys(stack: str) -> int:
    """Print the SSH host keys of the existing hosts of a stack, for review."""
    from tools.operate import host_keys

    return host_keys.run(this_clone(), stack)


@commands.command()
@_for_stack
@click.option("--svg", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Draw them here as well.")
def certificates(stack: str, svg: Path | None) -> int:
    """List every certificate and key of a stack, the next renewal first."""
    from tools.certificates.show import show

    return show(_stack(stack), svg)


@commands.command()
@_for_stack
@click.option("--json", "as_json", is_flag=True, help="For programs: all facts as JSON.")
@click.option("--quick", is_flag=True, help="Without what the next `up` would do.")
def status(stack: str, as_json: bool, quick: bool) -> int:
    """Show the health of a stack on one page. Fails if somebody has to act."""
    from tools.status.show import show

    return show(_stack(stack), as_json=as_json, with_plan=not quick)


@commands.command()
@_for_stack
@click.option("--json", "as_json", is_flag=True, help="For programs: all rights as JSON.")
def access(stack: str, as_json: bool) -> int:
    """Show who may do what, from the page and from the cluster. Fails if the two differ."""
    from tools.access.show import show

    return show(_stack(stack), as_json=as_json)


@commands.command()
@_for_stack
@click.option("--json", "as_json", is_flag=True, help="For programs: all findings as JSON.")
@click.option(
    "--kube-bench",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="A release of kube-bench. Default: built from source.",
)
@click.option("--answers", type=_file, metavar="FILE", help="More answers to controls.")
def cis(stack: str, as_json: bool, kube_bench: Path | None, answers: Path | None) -> int:
    """Let kube-bench judge every machine of a stack. Fails if a control neither passes nor is answered."""
    from tools.cis.run import run

    return run(_stack(stack), as_json=as_json, given=kube_bench and kube_bench.absolute(), more=answers)


@commands.command()
@_for_stack
@click.option(
    "--all", "everything", is_flag=True, help="The whole conformance suite. Default: a few specs of each SIG."
)
@click.option("--focus", default="", metavar="REGEX", help="The specs of the suite whose name matches.")
@click.option("--at-once", type=click.IntRange(min=1), metavar="N", help="Specs at a time. Default: two for each core.")
@click.option(
    "--e2e",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="e2e.test and ginkgo of a release. Default: built from source.",
)
@click.option("--answers", type=_file, metavar="FILE", help="More answers to specs.")
def conformance(
    stack: str, everything: bool, focus: str, at_once: int | None, e2e: Path | None, answers: Path | None
) -> int:
    """Run upstream's conformance tests against a stack. Fails if a spec neither passes nor is answered."""
    from tools.conformance.run import Options, run

    return run(_stack(stack), Options(everything, focus, at_once or 0, e2e and e2e.absolute(), answers))


@commands.command("policy-check")
@_for_stack
@click.option(
    "--config", type=_file, help="Settings of the policies. Default: policies/config/STACK.json, else prod.json."
)
@click.option("--snapshots", is_flag=True, help="Also ask the members of etcd for the age of the newest snapshot.")
def policy_check(stack: str, config: Path | None, snapshots: bool) -> int:
    """Show how many days each certificate has left; fail if it is too few."""
    from tools.operate import policy_check
    from tools.status.snapshots import check

    try:
        code = policy_check.check(this_clone(), stack, config and config.absolute())
        return (check(_stack(stack)) or code) if snapshots else code
    except ValueError as error:
        raise ToolError(str(error)) from None


@commands.command()
@click.argument("file", type=_file)
def report(file: Path) -> None:
    """Print the report of a recorded preview.

    FILE is an event log or the output of `pulumi preview --json`.
    """
    from tools.certificates import clock
    from tools.report.read import read
    from tools.report.render import render

    now = clock.now()
    try:
        print(render(read(file.read_text()), now), end="")
    except ValueError as error:
        raise ToolError(f"{file}: {error}") from None


@commands.command()
@click.option("--pr", type=int, required=True, metavar="NUMBER", help="The pull request.")
@click.argument("file", type=click.Path(path_type=Path))
def comment(pr: int, file: Path) -> int:
    """Add a report to a pull request as a comment, with GitHub's command line `gh`."""
    from tools.report import comment

    return comment.run(pr, file)


def _versions(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    from tools.from_source.catalogue import KUBERNETES_DEFAULT, KUBERNETES_VERSIONS

    for value in values:
        if value not in KUBERNETES_VERSIONS:
            raise click.BadParameter(f"{value!r}; allowed: {', '.join(KUBERNETES_VERSIONS)}")
    return values or (KUBERNETES_DEFAULT,)


@commands.command()
@click.option(
    "--kubernetes", multiple=True, metavar="VERSION", callback=_versions, help="A version to build; repeatable."
)
@click.option("--stack", default="", metavar="NAME", help="What this stack needs. Default: everything, from source.")
@click.option("--aws", is_flag=True, help="Also build the AWS plugin of the tests.")
@click.option("--metrics-server", is_flag=True, help="Also build metrics-server, an aggregated API for tests.")
@click.option("--s3-server", is_flag=True, help="Also build a server of S3 for tests.")
@click.option("--judges", is_flag=True, help="Also build what make cis and make conformance run.")
def build(
    kubernetes: tuple[str, ...], stack: str, aws: bool, metrics_server: bool, s3_server: bool, judges: bool
) -> None:
    """Build what is missing, or fetch release files of upstream: what the stack has, or what its page says."""
    from tools.from_source.builder import Builder

    page, local = None, True
    if stack:
        from tools.common.progress import say
        from tools.operate.page import has_local_machines
        from tools.operate.source import UPSTREAM, choose

        chosen = choose(this_clone(), stack)
        say(chosen.sentence())
        if chosen.name == UPSTREAM:
            page = this_clone().page(stack)
            local = has_local_machines(page)
    Builder(this_clone(), shared_cache(), kubernetes, page, aws, metrics_server, s3_server, judges, local).run()


@commands.command()
@_for_stack
@click.option(
    "--architecture",
    multiple=True,
    type=click.Choice(["amd64", "arm64"]),
    help="Besides those of nodes; repeatable.",
)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def mirror(stack: str, architecture: tuple[str, ...], folder: Path) -> None:
    """Fill a folder for an air gap with release files and images of upstream: all that the nodes of a stack need."""
    from tools.mirror import carried

    carried.fill_folder(this_clone(), stack, folder.absolute(), architecture)


@commands.command()
@_for_stack
def doctor(stack: str) -> int:
    """Say what this machine can do for a stack, and how to mend what is missing. Fails if `up` cannot work."""
    from tools.doctor.doctor import examine

    return examine(this_clone(), shared_cache(), stack)


@commands.command()
@click.option(
    "--add", multiple=True, metavar="NAME=VERSION", help="A version to add, for example kubernetes=1.37.1; repeatable."
)
@click.option("--check", is_flag=True, help="Compare all digests with what the projects publish; change nothing.")
@click.option("--no-signatures", is_flag=True, help="Believe checksum files: do not verify who has signed files.")
def lock(add: tuple[str, ...], check: bool, no_signatures: bool) -> None:
    """Add missing digests of upstream's release files to the lock, or compare all digests."""
    from tools.from_upstream import check as comparison
    from tools.from_upstream import lock, signatures

    if add and check:
        raise click.UsageError("--add changes the lock and --check changes nothing: use one of them")
    path = this_clone().root / "components" / "artifacts" / "upstream.lock.json"
    verify = None if no_signatures else signatures.verify
    if check:
        comparison.check(path, verify=verify)
    else:
        lock.refresh(path, add, verify=verify)


@commands.command("test-programs", hidden=True)
def test_programs() -> None:
    """Install programs and packages that only tests need. Names what is missing, and which tests need it."""
    from tools.common.errors import ToolError
    from tools.common.progress import say
    from tools.common.store import Store
    from tools.prepare import host_packages, npm_packages

    logs = shared_cache() / "log"
    try:
        host_packages.ensure(host_packages.TESTS, logs / "apt.log")
    except ToolError as error:
        say(f"tests that need {', '.join(host_packages.missing(host_packages.TESTS))} are skipped: {error}")
    try:
        npm_packages.ensure(this_clone().root / "tests" / "e2e" / "people", Store(shared_cache() / "store"), logs)
    except ToolError as error:
        say(f"the suite people will fail, because its provider needs Node.js and npm: {error}")


@commands.command("lint-workflows")
@click.argument("files", nargs=-1, type=_file)
def lint_workflows(files: tuple[Path, ...]) -> int:
    """Check workflows, by default the workflows and actions in .github."""
    from tools.lint import workflows

    return workflows.check(this_clone().root, [file.absolute() for file in files])
