"""Rules about programs and images that somebody could replace unnoticed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pulumi_policy import EnforcementLevel, Severity

from components.resource_names import NodeResource
from policies import payload
from policies.item import UNKNOWN, Item, texts_in
from policies.patterns import matches
from policies.rule import About, Rule, Setting, Settings, resource_rule

_COMMANDS = ("command:remote:Command", "command:local:Command")
_WORKLOADS = "kubernetes:"
"""Every type of Kubernetes: pods are in many kinds of objects, in every version of an API, and in patches."""
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_TABLE = "tables/artifacts"
_SHA256 = re.compile("[0-9a-f]{64}")
_PINNED = re.compile(r"@sha256:[0-9a-f]{64}$")
_FETCH = re.compile(
    r"\b(?:curl|wget)\b[^\n;|&]*https?://(?!127\.|localhost\b|\[::1\])|\b(?:curl|wget)\b[^\n]*\|\s*(?:ba|da|)sh\b"
)
_VERIFY = re.compile(r"\b(?:sha256sum|sha512sum|shasum|cosign|gpg|openssl dgst)\b")
# The reference of the sandbox image in the configuration of containerd.
_SANDBOX = re.compile(r"^\s*(?:sandbox|sandbox_image)\s*=\s*[\"'](?P<image>[^\"']+)", re.MULTILINE)


def downloads(item: Item, _: Settings) -> Iterator[str]:
    """Finds artifacts of a release without a digest, and downloads in commands that check no digest."""
    stdin = item.text("stdin")
    if payload.is_hidden(stdin):
        yield (
            f"{item.name}: stdin looks like a release and cannot be read, so nobody can judge what is in it; allowed: "
            "a compressed tar archive with files, in base64."
        )
    texts = payload.texts(stdin)
    for line in texts.get(_TABLE, "").splitlines():
        # SHA256 ARCHIVE URL NAME PATH: components/node/scripts/apply.sh
        fields = [*line.split(), "", "", "", ""]
        digest, url, name = fields[0], fields[2], fields[3]
        if not _SHA256.fullmatch(digest):
            yield (
                f"{item.name}: {url or name} has the SHA-256 digest {digest!r}; allowed: 64 hexadecimal digits. "
                "`make lock` adds missing digests."
            )
    written = {where: item.text(where) or "" for where in ("create", "update", "delete")}
    values = texts_in(item.props.get("environment"), "environment")
    for where, text in [
        *written.items(),
        *texts.items(),
        *values,
        *texts_in(item.props.get("interpreter"), "interpreter"),
    ]:
        if _FETCH.search(text) and not _VERIFY.search(text):
            yield f"{item.name}: {where} downloads a file and checks no digest. Compare its SHA-256 digest first."


def unread(item: Item, _: Settings) -> Iterator[str]:
    """Finds releases that this plan does not show, so that a reviewer knows what nobody has judged yet."""
    if NodeResource.STAGE.node_in(item.name) and item.props.get("stdin") is UNKNOWN:
        yield (
            f"{item.name}: the release is not known yet, so its programs, images and URLs are not judged here. "
            "`make up` judges them before it runs this command."
        )


def images(item: Item, settings: Settings) -> Iterator[str]:
    """Finds images without a digest: everyone with rights in the registry can move a tag to another image."""
    if item.type in _COMMANDS:
        texts = payload.texts(item.text("stdin")).values()
        found = {match["image"] for text in texts for match in _SANDBOX.finditer(text)}
    else:
        found = set(_images(item.props))
    for image in sorted(found):
        if not _PINNED.search(image) and not matches(image, settings["images"]):
            yield f"{item.name}: the image {image} has no digest. Add @sha256:… to its name."


def _images(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            entries = [entry for entry in inner if isinstance(entry, Mapping)] if isinstance(inner, list) else []
            if name in _CONTAINERS:
                yield from (image for entry in entries if isinstance(image := entry.get("image"), str))
            if name == "volumes":
                sources = [entry.get("image") for entry in entries]
                known = [source.get("reference") for source in sources if isinstance(source, Mapping)]
                yield from (image for image in known if isinstance(image, str))
            yield from _images(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _images(inner)


RULES: list[Rule] = [
    resource_rule(
        About(
            "release-unread",
            "A preview judges every release.",
            {},
            Severity.LOW,
            level=EnforcementLevel.ADVISORY,
        ),
        _COMMANDS,
        unread,
    ),
    resource_rule(
        About("artifact-digest", "Nothing is downloaded without a digest.", {}, Severity.HIGH), _COMMANDS, downloads
    ),
    resource_rule(
        About(
            "image-digest",
            "The names of images contain a digest.",
            {"images": Setting([], "Images that may have no digest.")},
            Severity.HIGH,
        ),
        [*_COMMANDS, _WORKLOADS],
        images,
    ),
]
