"""Command line of the tools: python3 -m tools [build ... then] COMMAND ..."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this is the module that says so
    sys.exit(f"error: Python 3.11 or newer is needed, this is {sys.version.split()[0]}; try `make PYTHON=python3.11`")

import argparse
import os
import signal

from tools import clean_cache, envsh, host_keys, upstream_lock, venv
from tools.builder import Builder, has_local_machines
from tools.catalogue import KUBERNETES_DEFAULT, KUBERNETES_VERSIONS
from tools.errors import ToolError
from tools.paths import shared_cache, this_clone
from tools.progress import Progress
from tools.replace import replace
from tools.stack import Stack
from tools.store import Store

THEN = "then"


def main(arguments: list[str]) -> int:
    """Runs a command, or builds first and then runs another one, and returns the exit code."""
    if arguments[:1] == ["build"] and THEN in arguments:
        here = arguments.index(THEN)
        return _command(arguments[:here]) or _command(arguments[here + 1 :])
    return _command(arguments)


def _command(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tools", description="Builds and runs this project.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    build = commands.add_parser("build", help="build what is missing")
    build.add_argument(
        "--kubernetes", action="append", choices=KUBERNETES_VERSIONS, help=f"default: {KUBERNETES_DEFAULT}; repeatable"
    )
    build.add_argument("--upstream", action="store_true", help="nodes get upstream's binaries: compile nothing")
    build.add_argument("--stack", default="", help="leave out what machines of this stack do not need; default: all")
    build.add_argument("--aws", action="store_true", help="also the test fixture that stands in for the AWS plugin")
    commands.add_parser("venv", help="make the virtual environment only")
    lock = commands.add_parser("lock", help="fill the digests of upstream's downloads")
    lock.add_argument("--add", action="append", default=[], metavar="NAME=VERSION", help="e.g. kubernetes=1.37.1")
    commands.add_parser("clean-cache", help="remove the cache that all clones of this user share")
    for name, text in {
        "env": "print the environment of a stack as `export` lines",
        "up": "make or change a stack; more arguments go to pulumi",
        "preview": "say what `up` would change; more arguments go to pulumi",
        "renew": "renew the certificates that are due, if nothing else would change; more arguments go to pulumi",
        "destroy": "remove a stack and all it made; more arguments go to pulumi",
        "replace": "make the machine of a node anew; more arguments go to pulumi",
        "kubeconfig": "write a stack's kubeconfig and print its path",
        "outputs": "print a stack's outputs; more arguments go to pulumi",
        "host-keys": "print the SSH host keys of a stack's existing hosts, for review",
    }.items():
        commands.add_parser(name, help=text).add_argument("--stack", default="dev")
    commands.choices["replace"].add_argument("--node", required=True)
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command not in {"up", "preview", "renew", "destroy", "outputs", "replace"}:
        parser.error(f"unknown arguments: {' '.join(rest)}")
    return _run(options, rest)


def _run(options: argparse.Namespace, rest: list[str]) -> int:
    clone = this_clone()
    store = Store(shared_cache() / "store")
    match options.command:
        case "venv":
            if not venv.is_ready(clone, store):
                with Progress("Python packages") as progress:
                    venv.make(clone, store, progress)
            venv.link(clone, store)
        case "build":
            versions = tuple(options.kubernetes or (KUBERNETES_DEFAULT,))
            local = not (options.upstream and options.stack) or has_local_machines(clone.page(options.stack))
            Builder(clone, shared_cache(), versions, options.upstream, options.aws, local).run()
        case "lock":
            upstream_lock.refresh(clone.root / "components" / "artifacts" / "upstream.lock.json", options.add)
        case "clean-cache":
            clean_cache.run(shared_cache())
        case "env":
            envsh.prepare_state(clone)
            print(envsh.export_lines(clone, options.stack, os.environ), end="")
        case "kubeconfig":
            print(Stack(clone, options.stack).write_kubeconfig())
        case "host-keys":
            return host_keys.run(clone, options.stack)
        case "replace":
            return replace(Stack(clone, options.stack), options.node, rest)
        case "up" | "preview" | "renew" | "destroy" | "outputs":
            return getattr(Stack(clone, options.stack), options.command)(rest)
    return 0


def _end(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    try:
        sys.exit(main(sys.argv[1:]))
    except ToolError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; what was finished is kept")
