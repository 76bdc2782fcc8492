"""Rules about settings that depend on each other: lifetimes, etcd, names, flags, artifacts."""

from collections.abc import Iterator
from datetime import timedelta

from components.config.durations import parse, text
from components.config.errors import Finding
from components.config.flags import MANAGED_FIELDS, MANAGED_FLAGS
from components.config.page import Page
from components.config.pki import Lifetime
from components.config.rules.common import repeated


def lifetimes(page: Page) -> Iterator[Finding]:
    """A certificate is replaced in the later half of its life and never outlives its authority."""
    pki = page.pki
    profiles = {name: getattr(pki.profiles, name) for name in type(pki.profiles).model_fields}
    yield from _renewal("pki.authorities", pki.authorities)
    # An authority is replaced `renewBefore` ahead of its end; what it signed until then may not outlive it.
    longest = pki.authorities.lifetime - pki.authorities.renew_before
    for name, profile in profiles.items():
        yield from _renewal(f"pki.profiles.{name}", profile)
        if timedelta(0) < longest < profile.lifetime:
            problem = f"'{text(profile.lifetime)}' is longer than the authorities' lifetime less their renewBefore"
            yield Finding(f"pki.profiles.{name}.lifetime", problem, f"at most {text(longest)}")


def _renewal(path: str, life: Lifetime) -> Iterator[Finding]:
    if life.renew_before * 2 > life.lifetime:
        problem = f"'{text(life.renew_before)}' is more than half of the lifetime {text(life.lifetime)}"
        yield Finding(f"{path}.renewBefore", problem, f"1h to {int(life.lifetime / timedelta(hours=2))}h")


def etcd_times(page: Page) -> Iterator[Finding]:
    """The chapter "Tuning" of etcd: an election timeout of at least five heartbeats; the server refuses less."""
    least = 5 * page.etcd.heartbeat_interval
    if page.etcd.election_timeout < least:
        problem = (
            f"{page.etcd.election_timeout} is less than 5 times heartbeatInterval ({page.etcd.heartbeat_interval})"
        )
        yield Finding("etcd.electionTimeout", problem, f"{least} to 50000 (ms)")


def etcd_directories(page: Page) -> Iterator[Finding]:
    """A restore moves the data directory away: the log may not lie in it, nor it in the log's."""
    data, wal = page.etcd.data_dir, page.etcd.wal_dir
    if wal is not None and (wal == data or wal.startswith(f"{data}/") or data.startswith(f"{wal}/")):
        yield Finding("etcd.walDir", f"{wal!r} shares a directory with dataDir ({data})", "a directory beside dataDir")


def etcd_compaction(page: Page) -> Iterator[Finding]:
    """The retention has the form of its mode. etcd reads a bare periodic number as hours: too easy to get wrong."""
    mode, retention = page.etcd.auto_compaction_mode, page.etcd.auto_compaction_retention
    path = "etcd.autoCompactionRetention"
    if mode == "periodic" and (retention[-1:] not in ("h", "m") or not parse(retention)):
        yield Finding(path, f"{retention!r} does not fit autoCompactionMode periodic", "a duration such as 8h or 30m")
    if mode == "revision" and not (retention.isdecimal() and int(retention) > 0):
        yield Finding(
            path, f"{retention!r} does not fit autoCompactionMode revision", "a number of revisions such as 10000"
        )


def names_in_certificates(page: Page) -> Iterator[Finding]:
    """Each further name once."""
    for name in repeated(page.api.extra_sans):
        yield Finding("api.extraSans", f"{name!r} is there twice", "each name once")


def developers(page: Page) -> Iterator[Finding]:
    """A developer's name is the user name of a certificate and the name of a kubeconfig."""
    for name in repeated(developer.name for developer in page.access.developers):
        yield Finding("access.developers", f"{name!r} is there twice", "each name once")


def managed(page: Page) -> Iterator[Finding]:
    """What hardway sets itself is not set beside it."""
    for section, known, what in (
        ("extraArgs", MANAGED_FLAGS, "flag"),
        ("extraConfig", MANAGED_FIELDS, "field"),
    ):
        given = (page.extra_args if section == "extraArgs" else page.extra_config).model_dump(by_alias=True)
        for component, names in given.items():
            for name in names:
                if name in known[component]:
                    instead = known[component][name]
                    allowed = f"hardway:{instead}" if instead else f"any {what} that hardway does not set"
                    yield Finding(
                        f"{section}.{component}.{name}", f"hardway sets this {what} of {component} itself", allowed
                    )


def mirror(page: Page) -> Iterator[Finding]:
    """A mirror has an address unless the provider serves one."""
    if page.artifacts.source == "mirror" and page.artifacts.mirror is None and not page.machines.brings_mirror:
        problem = f"is missing, the provider {page.machines.provider} brings no mirror"
        yield Finding("artifacts.mirror", problem, "http://HOST[:PORT][/PATH] or https://...")
