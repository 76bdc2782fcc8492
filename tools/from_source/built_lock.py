"""Writes the lock file of everything that is built here, which the program of this clone reads."""

import json
from pathlib import Path

from components.architecture import of_this_machine
from tools.common.store import Store, write_atomically
from tools.from_source import catalogue, gobuild, images
from tools.from_source.catalogue import Program
from tools.from_source.oci import layout_digest


def write_lock(path: Path, store: Store) -> None:
    """Write the lock of everything that is built, in all versions. URLs start with the literal `{mirror}`."""
    artifacts: dict[str, dict[str, dict[str, list[dict[str, object]]]]] = {}
    for program in catalogue.everything():
        file = gobuild.find(program, store)
        if program.artifact and file:
            versions = artifacts.setdefault(program.artifact, {}).setdefault(program.version, {})
            versions.setdefault(of_this_machine(), []).append(_source(program, gobuild.sha256(file)))
    built = {
        image: folder for image in (*catalogue.IMAGES, *catalogue.TEST_IMAGES) if (folder := images.find(image, store))
    }
    locked = {
        image.name: {image.version: {"reference": image.reference, "digest": layout_digest(folder)}}
        for image, folder in built.items()
    }
    write_atomically(path, json.dumps({"artifacts": artifacts, "images": locked}, indent=2) + "\n")


def _source(program: Program, sha256: str) -> dict[str, object]:
    url = f"{{mirror}}/files/{sha256}/{program.name}"
    return {"url": url, "sha256": sha256, "archive": None, "files": {program.name: ""}}
