"""Programs and images that somebody else could exchange."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pulumi_policy import Policy, Severity

from policies import payload
from policies.item import Item
from policies.patterns import matches
from policies.rule import About, Setting, Settings, resource_rule

_COMMANDS = ("command:remote:Command", "command:local:Command")
_WORKLOADS = (
    *(f"kubernetes:apps/v1:{kind}" for kind in ("DaemonSet", "Deployment", "ReplicaSet", "StatefulSet")),
    *(f"kubernetes:batch/v1:{kind}" for kind in ("CronJob", "Job")),
    "kubernetes:core/v1:Pod",
)
_TABLE = "tables/artifacts"
_SHA256 = re.compile("[0-9a-f]{64}")
_PINNED = re.compile(r"@sha256:[0-9a-f]{64}$")
_FETCH = re.compile(
    r"\b(?:curl|wget)\b[^\n;|&]*https?://(?!127\.|localhost\b|\[::1\])|\b(?:curl|wget)\b[^\n]*\|\s*(?:ba|da|)sh\b"
)
_VERIFY = re.compile(r"\b(?:sha256sum|sha512sum|shasum|cosign|gpg|openssl dgst)\b")
# A reference of an image in containerd's configuration.
_SANDBOX = re.compile(r"^\s*(?:sandbox|sandbox_image)\s*=\s*[\"'](?P<image>[^\"']+)", re.MULTILINE)


def downloads(item: Item, _: Settings) -> Iterator[str]:
    """Artifacts of a release without digest, and downloads in a command that nobody checks."""
    texts = payload.files(item.text("stdin"))
    for line in texts.get(_TABLE, "").splitlines():
        # SHA256 ARCHIVE URL NAME PATH: components/node/apply.sh
        digest, _archive, url, *rest = [*line.split(), "", "", "", ""]
        if not _SHA256.fullmatch(digest):
            yield f"{item.name}: {url or rest[0]} has no sha256, but {digest!r}. Fill the lock: `make lock`."
    for where in ("create", "update"):
        text = item.text(where) or ""
        if _FETCH.search(text) and not _VERIFY.search(text):
            yield f"{item.name}: {where} downloads a file and checks no digest. Compare its sha256 before using it."


def images(item: Item, settings: Settings) -> Iterator[str]:
    """Images that are named by a tag, which anybody with rights at the registry can move."""
    if item.type in _COMMANDS:
        texts = payload.files(item.text("stdin")).values()
        found = {match["image"] for text in texts for match in _SANDBOX.finditer(text)}
    else:
        found = set(_images(item.props.get("spec")))
    for image in sorted(found):
        if not _PINNED.search(image) and not matches(image, settings["images"]):
            yield f"{item.name}: the image {image} has no digest. Add @sha256:… to it."


def _images(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name in ("containers", "initContainers") and isinstance(inner, list):
                known = [entry.get("image") for entry in inner if isinstance(entry, Mapping)]
                yield from (image for image in known if isinstance(image, str))
            else:
                yield from _images(inner)


RULES: list[Policy] = [
    resource_rule(
        About("artifact-digest", "Nothing is downloaded without a digest.", {}, Severity.HIGH), _COMMANDS, downloads
    ),
    resource_rule(
        About(
            "image-digest",
            "Images are named by digest.",
            {"images": Setting([], "Images that may go without.")},
            Severity.HIGH,
        ),
        [*_COMMANDS, *_WORKLOADS],
        images,
    ),
]
