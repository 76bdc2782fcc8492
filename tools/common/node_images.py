"""The images of local machines in a container engine: one image for each digest."""

import subprocess
from collections.abc import Iterable, Sequence

from tools.common.paths import NODE_IMAGE


def names(engine: Sequence[str]) -> list[str]:
    """The names of all images, `localhost/hardway-node:<digest>`. Empty if the engine does not answer."""
    command = [*engine, "images", "--filter", f"reference={NODE_IMAGE}", "--format", "{{.Repository}}:{{.Tag}}"]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    # Engines match a reference without a tag differently. Other images must stay.
    return [name for name in found if name.rpartition(":")[0] == NODE_IMAGE]


def remove(engine: Sequence[str], unwanted: Iterable[str]) -> None:
    """Remove images. The engine refuses to remove an image of an existing container, running or not: it stays."""
    for name in unwanted:
        subprocess.run([*engine, "rmi", name], capture_output=True, check=False)
