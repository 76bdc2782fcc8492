"""Finds a Terraform AWS provider on this host: the test fixture tools/go/pulumi-aws runs it.

It is not built here: its module is no program that can be had as source from the Go proxy alone.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "HARDWAY_TERRAFORM_AWS"
"""Names the program itself, and wins over what would be found."""
_NAME = re.compile(r"terraform-provider-aws_v5\.[0-9.]+(_x5)?")
_DEPTH = 7


def find() -> Path | None:
    """The program, of a version 5, where Terraform and people who mirror its plugins put it; None if there is none."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen)
    return next((file for folder in _folders() for file in _below(folder, _DEPTH)), None)


def missing() -> str:
    """What to do about a missing one."""
    return (
        f"there is no terraform-provider-aws of version 5 on this host: `terraform init` with it fetches one; "
        f"{VARIABLE} says where it is"
    )


def _folders() -> Iterator[Path]:
    cache = os.environ.get("TF_PLUGIN_CACHE_DIR")
    if cache:
        yield Path(cache)
    yield Path.home() / ".terraform.d"
    yield from (Path(name) for name in ("/usr/local/share/terraform", "/usr/share/terraform", "/opt"))


def _below(folder: Path, depth: int) -> Iterator[Path]:
    """Files of that name below a folder; folders that may not be read are left out."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for entry in entries:
        if _NAME.fullmatch(entry.name) and os.access(entry, os.X_OK) and entry.is_file():
            yield entry
        elif depth and entry.is_dir() and not entry.is_symlink():
            yield from _below(entry, depth - 1)
