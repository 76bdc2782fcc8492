"""Commands that look at a stack and change nothing."""

from __future__ import annotations

import os
from pathlib import Path

import click

from tools.commands.group import EXISTING_FILE, commands, for_stack, stack_of
from tools.common.errors import ToolError
from tools.common.paths import this_clone


@commands.command()
@for_stack
def env(stack: str) -> None:
    """Print the environment of a stack as `export` lines."""
    from tools.operate import envsh

    envsh.prepare_state(this_clone())
    print(envsh.export_lines(this_clone(), stack, os.environ), end="")


@commands.command()
@for_stack
def kubeconfig(stack: str) -> None:
    """Write the kubeconfig of a stack and print its path."""
    print(stack_of(stack).write_kubeconfig())


@commands.command("host-keys")
@for_stack
def host_keys(stack: str) -> int:
    """Print the SSH host keys of the existing hosts of a stack, for review."""
    from tools.operate import host_keys

    return host_keys.run(this_clone(), stack)


@commands.command()
@for_stack
@click.option("--svg", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Draw them here as well.")
def certificates(stack: str, svg: Path | None) -> int:
    """List every certificate and key of a stack, the next renewal first."""
    from tools.certificates.show import show

    return show(stack_of(stack), svg)


@commands.command()
@for_stack
@click.option("--json", "as_json", is_flag=True, help="For programs: all facts as JSON.")
@click.option("--quick", is_flag=True, help="Without what the next `up` would do.")
def status(stack: str, as_json: bool, quick: bool) -> int:
    """Show the health of a stack on one page. Fails if somebody has to act."""
    from tools.status.show import show

    return show(stack_of(stack), as_json=as_json, with_plan=not quick)


@commands.command()
@for_stack
@click.option("--json", "as_json", is_flag=True, help="For programs: all rights as JSON.")
def access(stack: str, as_json: bool) -> int:
    """Show who may do what, from the page and from the cluster. Fails if the two differ."""
    from tools.access.show import show

    return show(stack_of(stack), as_json=as_json)


@commands.command()
@for_stack
@click.option("--json", "as_json", is_flag=True, help="For programs: all findings as JSON.")
@click.option(
    "--kube-bench",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="A release of kube-bench. Default: built from source.",
)
@click.option("--answers", type=EXISTING_FILE, metavar="FILE", help="More answers to controls.")
def cis(stack: str, as_json: bool, kube_bench: Path | None, answers: Path | None) -> int:
    """Let kube-bench judge every machine of a stack. Fails if a control neither passes nor is answered."""
    from tools.cis.run import run

    return run(stack_of(stack), as_json=as_json, given=kube_bench and kube_bench.absolute(), more=answers)


@commands.command()
@for_stack
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
@click.option("--answers", type=EXISTING_FILE, metavar="FILE", help="More answers to specs.")
def conformance(
    stack: str, everything: bool, focus: str, at_once: int | None, e2e: Path | None, answers: Path | None
) -> int:
    """Run upstream's conformance tests against a stack. Fails if a spec neither passes nor is answered."""
    from tools.conformance.run import Options, run

    return run(stack_of(stack), Options(everything, focus, at_once or 0, e2e and e2e.absolute(), answers))


@commands.command("policy-check")
@for_stack
@click.option(
    "--config",
    type=EXISTING_FILE,
    help="Settings of the policies. Default: policies/config/STACK.json, else prod.json.",
)
@click.option("--snapshots", is_flag=True, help="Also ask the members of etcd for the age of the newest snapshot.")
def policy_check(stack: str, config: Path | None, snapshots: bool) -> int:
    """Show how many days each certificate has left; fail if it is too few."""
    from tools.operate import policy_check
    from tools.status.snapshots import check

    try:
        code = policy_check.check(this_clone(), stack, config and config.absolute())
        return (check(stack_of(stack)) or code) if snapshots else code
    except ValueError as error:
        raise ToolError(str(error)) from None


@commands.command()
@click.argument("file", type=EXISTING_FILE)
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
