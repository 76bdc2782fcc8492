"""The Pulumi that runs the program: the user's official Pulumi, or the engine and plugins that are built here."""

import os

from components.artifacts.official_pulumi import ENGINE_MARKER
from tools.common.paths import Clone
from tools.common.store import Store, place, recorded, remove_tree
from tools.from_source import catalogue, gobuild

LANGUAGE_EXEC = "pulumi-language-python-exec"
KEEP_LOGS = "HARDWAY_PULUMI_LOGS"
"""If this variable is set, then the built engine writes a log of each run, as Pulumi does."""
_NO_LOGS = f"""\
This file stands where Pulumi would make a folder for logs. Pulumi has no setting for these logs: it goes on without
them if there can be no folder. Set {KEEP_LOGS}=1 for `make up` and `make preview` to have them.
"""


def lay_out(clone: Clone, store: Store, *, ours: bool, aws: bool = False) -> None:
    """With `ours`, put the built engine and plugins into the clone. Without `ours`, remove the built engine.

    With `aws`, the plugins include the AWS plugin of the tests. Without `aws`, an existing AWS plugin stays.
    """
    marker = clone.bin / ENGINE_MARKER
    for program in catalogue.ENGINE:
        file = gobuild.find(program, store) if ours else None
        for name in recorded(file.parent) if file else [program.name, LANGUAGE_EXEC]:
            if file:
                # Files, not links: the engine looks for its language host in the folder of its resolved path.
                place(file.with_name(name), clone.bin / name)
            else:
                (clone.bin / name).unlink(missing_ok=True)
    if not ours:
        marker.unlink(missing_ok=True)
        return
    marker.touch()
    leave_out_logs(clone)
    for plugin in (*catalogue.PLUGINS, *([catalogue.AWS_PLUGIN] if aws else [])):
        file = gobuild.find(plugin, store)
        if file:
            name = plugin.name.removeprefix("pulumi-")
            place(file, clone.pulumi_home / "plugins" / f"{name}-v{plugin.version}" / plugin.name)


def leave_out_logs(clone: Clone) -> None:
    """Keep the engine from writing a log of each run into PULUMI_HOME: pulumi/pkg/v3/logging/encrypted.go.

    The log has everything that `--verbose` would print, whether or not anybody reads it, compressed and encrypted: two
    fifths of the engine's time, a quarter of its memory, and up to 500 MB on the disk. Logs that are there are removed.
    """
    logs = clone.pulumi_home / "logs"
    if os.environ.get(KEEP_LOGS):
        if logs.is_file():
            logs.unlink()
        return
    if logs.is_dir():
        remove_tree(logs)
    logs.parent.mkdir(parents=True, exist_ok=True)
    logs.write_text(_NO_LOGS)
