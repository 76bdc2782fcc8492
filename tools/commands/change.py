"""Commands that change a stack, or show what a change would do."""

from __future__ import annotations

import click

from tools.commands.group import commands, for_pulumi, for_stack, stack_of


@for_pulumi
def up(stack: str, arguments: tuple[str, ...]) -> int:
    """Create or change a stack."""
    return stack_of(stack).up(arguments)


@for_pulumi
def preview(stack: str, arguments: tuple[str, ...]) -> int:
    """Show what `up` would change, and write a report."""
    return stack_of(stack).preview(arguments)


@for_pulumi
def renew(stack: str, arguments: tuple[str, ...]) -> int:
    """Renew the certificates that are due, if nothing else would change."""
    return stack_of(stack).renew(arguments)


@for_pulumi
def destroy(stack: str, arguments: tuple[str, ...]) -> int:
    """Remove a stack and everything that the stack made."""
    return stack_of(stack).destroy(arguments)


@for_pulumi
def outputs(stack: str, arguments: tuple[str, ...]) -> int:
    """Print the outputs of a stack."""
    return stack_of(stack).outputs(arguments)


@for_pulumi
@click.option("--node", required=True, metavar="NAME", help="The node.")
def replace(stack: str, node: str, arguments: tuple[str, ...]) -> int:
    """Replace the machine of a node."""
    from tools.operate.replace import replace

    return replace(stack_of(stack), node, arguments)


@for_pulumi
@click.option("--what", required=True, metavar="KEY", help="The key; `all` for all keys.")
@click.option("--apply", type=click.Choice(["next", "all"]), help="Take the next step, or all steps.")
@click.option("--pods", type=click.Choice(["restart", "keep"]), help="Pods that may not know the authority that stays.")
def rotate(stack: str, what: str, apply: str | None, pods: str | None, arguments: tuple[str, ...]) -> int:
    """Propose the next step of the rotation of a key, or take steps."""
    from tools.rotate.rotate import Apply, Pods, rotate
    from tools.rotate.steps import ALL, KEYS

    if what not in (ALL, *KEYS):
        raise click.BadParameter(f"{what!r}; allowed: {', '.join((*KEYS, ALL))}", param_hint="--what")
    return rotate(stack_of(stack), what, Apply(apply) if apply else None, Pods(pods) if pods else None, arguments)


@commands.command()
@for_stack
@click.option("--what", type=click.Choice(["now", "list"]), default="now", help="Take a snapshot now, or list them.")
def backup(stack: str, what: str) -> int:
    """Take a snapshot of etcd and of a state that lies in this clone, or list the snapshots of etcd."""
    from tools.operate import snapshots

    return snapshots.take(stack_of(stack)) if what == "now" else snapshots.show(stack_of(stack))


@commands.command()
@for_stack
@click.option("--snapshot", required=True, metavar="latest|ID|TIME", help="The snapshot.")
@click.option("--machines", default="", metavar="NAMES|all", help="Machines that are made anew.")
@click.option("--confirm", default="", metavar="STACK", help="Needed if the API answers: the name of the stack.")
def restore(stack: str, snapshot: str, machines: str, confirm: str) -> int:
    """Replace the data of etcd with a snapshot."""
    from tools.operate.restore import restore

    return restore(stack_of(stack), snapshot, machines, confirm)


@commands.command()
@for_stack
def defrag(stack: str) -> int:
    """Compact etcd, and defragment members where that is worth it; disarm its alarm NOSPACE."""
    from tools.operate.defrag import defragment

    return defragment(stack_of(stack))
