"""Finds a Terraform AWS provider on this host. The AWS plugin of the tests (go/pulumi-aws) runs this provider.

The provider cannot be built here, because its source cannot be fetched from the Go proxy alone.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "HARDWAY_TERRAFORM_AWS"
"""The variable with the path of the program. If it is set, then nothing is searched."""
_NAME = re.compile(r"terraform-provider-aws_v5\.[0-9.]+(_x5)?")
_DEPTH = 7


def find() -> Path | None:
    """A program of version 5 in the folders where Terraform and mirrors put plugins. None if there is none."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen)
    return next((file for folder in _folders() for file in _below(folder, _DEPTH)), None)


def missing() -> str:
    """The message if there is no such program."""
    return (
        f"there is no terraform-provider-aws of version 5 on this host: fetch it with `terraform init`, or set "
        f"{VARIABLE} to its path"
    )


def _folders() -> Iterator[Path]:
    cache = os.environ.get("TF_PLUGIN_CACHE_DIR")
    if cache:
        yield Path(cache)
    yield Path.home() / ".terraform.d"
    yield from (Path(name) for name in ("/usr/local/share/terraform", "/usr/share/terraform", "/opt"))


def _below(folder: Path, depth: int) -> Iterator[Path]:
    """Executable files with this name in a folder and its subfolders. Unreadable folders are left out."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for entry in entries:
        if _NAME.fullmatch(entry.name) and os.access(entry, os.X_OK) and entry.is_file():
            yield entry
        elif depth and entry.is_dir() and not entry.is_symlink():
            yield from _below(entry, depth - 1)
