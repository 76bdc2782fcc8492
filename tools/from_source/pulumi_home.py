"""The Pulumi that runs the program: the user's official Pulumi, or the engine and plugins that are built here."""

from components.artifacts.official_pulumi import ENGINE_MARKER
from tools.common.paths import Clone
from tools.common.store import Store, place, recorded
from tools.from_source import catalogue, gobuild

LANGUAGE_EXEC = "pulumi-language-python-exec"


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
    for plugin in (*catalogue.PLUGINS, *([catalogue.AWS_PLUGIN] if aws else [])):
        file = gobuild.find(plugin, store)
        if file:
            name = plugin.name.removeprefix("pulumi-")
            place(file, clone.pulumi_home / "plugins" / f"{name}-v{plugin.version}" / plugin.name)
