"""Writes container images as OCI layouts: the same files always have the same digests."""

import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
# Not compressed, because the mirror is on the same machine or network, and nodes would wait for the decompression.
LAYER = "application/vnd.oci.image.layer.v1.tar"
REFERENCE = "org.opencontainers.image.ref.name"

# The value that `setcap cap_net_bind_service=+ep` writes: revision 2, the effective bit, the permitted set (bit 10).
NET_BIND_SERVICE = (0x02000001).to_bytes(4, "little") + (1 << 10).to_bytes(4, "little") + bytes(12)


@dataclass(frozen=True)
class File:
    """One entry of a layer. At most one of `content`, `source` and `link` is set. If none is set, it is a folder."""

    path: str
    """The absolute path in the image."""
    content: bytes | None = None
    source: Path | None = None
    link: str | None = None
    mode: int = 0o755
    capability: bytes | None = None
    """The value of the extended attribute security.capability."""


@dataclass(frozen=True)
class Settings:
    """The configuration with which a container of the image runs."""

    entrypoint: tuple[str, ...]
    command: tuple[str, ...] = ()
    user: str = ""
    ports: tuple[str, ...] = ()
    environment: dict[str, str] = field(
        default_factory=lambda: {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    )


@dataclass(frozen=True)
class Content:
    """What an image is made of. A layer is a list of files, or a tar file that is taken as it is."""

    layers: Sequence[list[File] | Path]
    settings: Settings


def write_layout(folder: Path, layers: Sequence[list[File] | Path], settings: Settings, architecture: str) -> str:
    """Write an image into an empty folder. Return the digest of its manifest, `sha256:<hex>`."""
    (described,) = _write(folder, [Content(layers, settings)], architecture)
    _write_index(folder, [described])
    return str(described["digest"])


def write_bundle(folder: Path, images: Mapping[str, Content], architecture: str) -> None:
    """Write images, by their names, into an empty folder, with the names that `ctr images import` gives them."""
    written = _write(folder, images.values(), architecture)
    _write_index(
        folder,
        [
            {**described, "annotations": {"io.containerd.image.name": name, REFERENCE: name.rpartition(":")[2]}}
            for name, described in zip(images, written, strict=True)
        ],
    )


def _write(folder: Path, images: Iterable[Content], architecture: str) -> list[dict[str, object]]:
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    tars: dict[Path, dict[str, object]] = {}
    return [_image(blobs, image, architecture, tars) for image in images]


def _image(blobs: Path, image: Content, architecture: str, tars: dict[Path, dict[str, object]]) -> dict[str, object]:
    """Write one image. `tars` has what was written of tar files that several images share."""
    written = []
    for layer in image.layers:
        if isinstance(layer, Path):
            if layer not in tars:
                tars[layer] = _copied(blobs, layer)
            written.append(tars[layer])
        else:
            written.append(_layer(blobs, layer))
    settings = image.settings
    config = {
        "created": "1970-01-01T00:00:00Z",
        "architecture": architecture,
        "os": "linux",
        "config": {
            "Entrypoint": list(settings.entrypoint),
            "Cmd": list(settings.command),
            "User": settings.user,
            "Env": [f"{name}={value}" for name, value in settings.environment.items()],
            "ExposedPorts": {port: {} for port in settings.ports},
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in written]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _json(blobs, config, CONFIG),
        "layers": written,
    }
    return {**_json(blobs, manifest, MANIFEST), "platform": {"architecture": architecture, "os": "linux"}}


def _write_index(folder: Path, manifests: list[dict[str, object]]) -> None:
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')


def layout_digest(folder: Path) -> str:
    """The digest of the only manifest of a layout."""
    (manifest,) = json.loads((folder / "index.json").read_text())["manifests"]
    return manifest["digest"]


def _json(blobs: Path, content: object, media_type: str) -> dict[str, object]:
    data = json.dumps(content, sort_keys=True).encode()
    name = hashlib.sha256(data).hexdigest()
    (blobs / name).write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{name}", "size": len(data)}


def _copied(blobs: Path, tar: Path) -> dict[str, object]:
    temporary = blobs / "layer"
    shutil.copyfile(tar, temporary)
    return _named(blobs, temporary)


def _layer(blobs: Path, files: list[File]) -> dict[str, object]:
    named = {file.path: file for file in files}
    for file in files:
        for parent in PurePosixPath(file.path).parents:
            if str(parent) != "/":
                named.setdefault(str(parent), File(str(parent)))
    temporary = blobs / "layer"
    with tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as tar:
        for _, file in sorted(named.items()):
            _add(tar, file)
    return _named(blobs, temporary)


def _named(blobs: Path, temporary: Path) -> dict[str, object]:
    """Give a finished layer the name of its digest."""
    with temporary.open("rb") as layer:
        name = hashlib.file_digest(layer, "sha256").hexdigest()
    size = temporary.stat().st_size
    temporary.rename(blobs / name)
    return {"mediaType": LAYER, "digest": f"sha256:{name}", "size": size}


def _add(tar: tarfile.TarFile, file: File) -> None:
    entry = tarfile.TarInfo(file.path.lstrip("/"))
    entry.mode = file.mode
    if file.capability:
        # All bytes are ASCII, so the text has the same bytes.
        entry.pax_headers = {"SCHILY.xattr.security.capability": file.capability.decode("ascii")}
    if file.link is not None:
        entry.type, entry.linkname = tarfile.SYMTYPE, file.link
        tar.addfile(entry)
    elif file.source is not None:
        entry.size = file.source.stat().st_size
        with file.source.open("rb") as content:
            tar.addfile(entry, content)
    elif file.content is not None:
        entry.size = len(file.content)
        tar.addfile(entry, io.BytesIO(file.content))
    else:
        entry.type = tarfile.DIRTYPE
        tar.addfile(entry)
