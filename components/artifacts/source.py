"""What nodes get: release files of upstream, or programs and images that are built from Go modules.

The page decides, or else the last run of the stack, or else what is there: an official `pulumi`, a lock with every
version of the page, and publishers that answer. A choice is kept, because programs that differ in their digests would
restart everything on every node.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, get_args

from components.artifacts.lock import UPSTREAM_LOCK, LockError, in_mirror, read_lock
from components.artifacts.official_pulumi import HOW_TO_INSTALL, official

if TYPE_CHECKING:
    from components.artifacts.lock import Lock
    from components.config import Page

Name = Literal["upstream", "mirror"]
UPSTREAM: Name = "upstream"
MIRROR: Name = "mirror"
AUTO = "auto"
RECORD = "artifact-source"
"""The resource of the stack that records the choice."""
HANDED_OVER = Path(".cache/artifact-source")
"""A folder with a file for each stack: the choice of `make` for a stack that has none yet. Relative to the project's
folder, where programs run."""

WHAT: dict[Name, str] = {UPSTREAM: "release files of upstream", MIRROR: "built from Go modules"}


@dataclass(frozen=True)
class Source:
    """A choice, and its reason."""

    name: Name
    reason: str

    def sentence(self) -> str:
        """The choice and its reason, for people."""
        return f"programs and images of nodes: {WHAT[self.name]}, because {self.reason}"


def of_page(source: str, serves_mirror: bool, mirror: str | None) -> Source | None:
    """The choice if the page alone makes it.

    The arguments are `artifacts.source`, whether the machines get everything from this one, and `artifacts.mirror`.
    """
    if known := named(source):
        return Source(known, f"the page says `artifacts.source: {known}`")
    if not serves_mirror and mirror is None:
        return Source(UPSTREAM, "the page names no mirror")
    return None


def named(value: object) -> Name | None:
    """The value, if it is the name of a source."""
    return cast(Name, value) if value in get_args(Name) else None


def kept(recorded: object) -> Source:
    """The choice of a stack that exists. `recorded` is its record: stacks of earlier versions have none."""
    name = named(recorded)
    if name is None:
        return Source(MIRROR, "this stack is from a version of hardway that built everything")
    return Source(name, "the last `up` of this stack used them")


@dataclass(frozen=True)
class Probes:
    """What is there for a page. Each probe runs once, when it is first asked for."""

    page: Page
    path: str
    """The search path on which `pulumi` may be."""
    lock_file: Path = UPSTREAM_LOCK

    @cached_property
    def lock(self) -> Lock | LockError:
        """Upstream's lock, or what it lacks for the page."""
        from components.artifacts.choice import checked_lock

        try:
            return checked_lock(self.page, read_lock(self.lock_file))
        except LockError as error:
            return error

    @cached_property
    def pulumi(self) -> Path | None:
        """An official Pulumi."""
        return official(self.path)

    @cached_property
    def asked(self) -> dict[str, str]:
        """What to ask the publishers of everything that the page needs, by host. Empty if the lock lacks something."""
        from components.artifacts import reach
        from components.artifacts.choice import artifact_versions, image_versions

        lock = self.lock
        if isinstance(lock, LockError):
            return {}
        files = [
            source.url
            for architecture in self.page.architectures
            for name, version in artifact_versions(self.page).items()
            for source in lock.artifact(name, version, architecture).sources
        ]
        first = self.page.architectures[0]
        images = [lock.image(name, version, first) for name, version in image_versions(self.page).items()]
        return reach.questions(files, images)

    @cached_property
    def silent(self) -> dict[str, str]:
        """The publishers that do not answer from here, and why."""
        return unreachable_of(self.page, self.asked)


def decide(there: Probes) -> Source:
    """The choice for a new stack whose page says `auto`."""
    if isinstance(there.lock, LockError):
        return Source(MIRROR, f"upstream's lock is not complete for this page: {there.lock}")
    if not there.page.machines.serves_mirror:
        return _of_mirror(there.page, there.lock)
    if there.pulumi is None:
        return Source(MIRROR, f"there is no official `pulumi` on PATH; to use release files, {HOW_TO_INSTALL}")
    if there.silent:
        return Source(MIRROR, f"not every publisher answers from here: {'; '.join(there.silent.values())}")
    return Source(UPSTREAM, f"`pulumi` is on PATH, the lock is complete, and all {len(there.asked)} publishers answer")


def unreachable_of(page: Page, asked: Mapping[str, str]) -> dict[str, str]:
    """The hosts that do not answer from here, and why, through the proxy of the page or of the environment."""
    from components.artifacts import reach

    return reach.unreachable(asked, page.artifacts.proxy.of if page.artifacts.proxy else None)


def _of_mirror(page: Page, lock: Lock) -> Source:
    """What the mirror of the page has: it is asked for one release file of each architecture."""
    from components.artifacts import reach

    for architecture in page.architectures:
        (source,) = lock.artifact("runc", page.versions.runc, architecture).sources
        problem = unreachable_of(page, reach.questions([in_mirror(source, page.artifacts.mirror).url], []))
        if problem:
            return Source(MIRROR, f"the mirror of the page has no release files: {'; '.join(problem.values())}")
    return Source(UPSTREAM, "the mirror of the page has them")
