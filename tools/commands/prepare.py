"""Commands that prepare this machine, a mirror or the lock, and checks of this clone."""

from __future__ import annotations

from pathlib import Path

import click

from tools.commands.group import EXISTING_FILE, commands, for_stack
from tools.common.paths import shared_cache, this_clone


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
@for_stack
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
@for_stack
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
@click.argument("files", nargs=-1, type=EXISTING_FILE)
def lint_workflows(files: tuple[Path, ...]) -> int:
    """Check workflows, by default the workflows and actions in .github."""
    from tools.lint import workflows

    return workflows.check(this_clone().root, [file.absolute() for file in files])
