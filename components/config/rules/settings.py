"""Rules about settings that depend on each other: lifetimes, etcd, names, flags, artifacts."""

import re
from collections.abc import Iterator
from datetime import timedelta

from components.config.cluster import KUBERNETES_MINORS, numbers
from components.config.durations import LONGEST, parse, text
from components.config.errors import Finding
from components.config.etcd import LONGEST_ELECTION
from components.config.flags import MANAGED_FIELDS, MANAGED_FLAGS
from components.config.names import is_number
from components.config.page import Page
from components.config.pki import Lifetime
from components.config.rules.certificates import authority_findings
from components.config.rules.common import repeated

ADMIN_NAME = "admin"
COMPONENTS = (
    *("kube-apiserver-kubelet-client", "kube-apiserver", "kube-controller-manager", "kube-scheduler"),
    *("kube-apiserver-etcd-client", "kube-apiserver-webhook-client", "front-proxy-client"),
)
"""Common names of components without a prefix such as `system:`. RBAC knows the first one as a user."""
_NOT_FOR_DATA = {
    **dict.fromkeys(("/run", "/var/run", "/tmp", "/var/tmp", "/dev"), "is emptied by a boot"),  # noqa: S108
    **dict.fromkeys(("/proc", "/sys"), "belongs to the kernel"),
    "/opt/kubernetes": "is the folder of the releases",
    **dict.fromkeys(("/var/lib/kubelet", "/var/lib/containerd"), "belongs to another program of the node"),
}
_SYSTEM = re.compile(r"/(bin|boot|etc|home|lib|media|mnt|opt|root|sbin|srv|usr|var|var/lib|var/log|var/cache|usr/lib)?")
"""Directories that many programs share."""
KUBELET_BEHIND = 3
"""Minor versions that a kubelet may be older than the API server."""


def lifetimes(page: Page) -> Iterator[Finding]:
    """Certificates are replaced in the second half of their lifetime. Authorities outlive them by their renewBefore."""
    pki = page.pki
    profiles = {name: getattr(pki.profiles, name) for name in type(pki.profiles).model_fields}
    yield from _renewal("pki.authorities", pki.authorities)
    # An authority is replaced `renewBefore` before its end; a leaf that it signs until then may not outlive it.
    longest = pki.authorities.lifetime - pki.authorities.renew_before
    for name, profile in profiles.items():
        yield from _renewal(f"pki.profiles.{name}", profile)
        if timedelta(0) < longest < profile.lifetime:
            problem = f"'{text(profile.lifetime)}' is longer than the authorities' lifetime less their renewBefore"
            yield Finding(f"pki.profiles.{name}.lifetime", problem, f"at most {text(longest)}")


def _renewal(path: str, validity: Lifetime) -> Iterator[Finding]:
    if validity.renew_before * 2 > validity.lifetime:
        problem = f"'{text(validity.renew_before)}' is more than half of the lifetime {text(validity.lifetime)}"
        yield Finding(f"{path}.renewBefore", problem, f"1h to {int(validity.lifetime / timedelta(hours=2))}h")


def generations(page: Page) -> Iterator[Finding]:
    """The active generation of a key is one of its trusted generations."""
    for key, of in page.pki.generations.on_page().items():
        if of.active not in of.trusted:
            problem = f"generation {of.active} is in use and not trusted"
            yield Finding(f"pki.generations.{key}.active", problem, f"one of {list(of.trusted)}")


def kubelet_version(page: Page) -> Iterator[Finding]:
    """`versions.kubelet` is not newer than `versions.kubernetes`, and at most three minor versions older."""
    # https://kubernetes.io/releases/version-skew-policy/
    kubelet, kubernetes = page.versions.of_kubelet, page.versions.kubernetes
    major, minor, *_ = numbers(kubernetes)
    oldest = max((major, minor - KUBELET_BEHIND), numbers(KUBERNETES_MINORS[0]))
    allowed = f"{oldest[0]}.{oldest[1]}.0 to {kubernetes}, the version of versions.kubernetes"
    if numbers(kubelet) > numbers(kubernetes):
        yield Finding("versions.kubelet", f"{kubelet!r} is newer than the API server ({kubernetes})", allowed)
    elif numbers(kubelet) < oldest:
        problem = f"{kubelet!r} is more than {KUBELET_BEHIND} minor versions older than the API server ({kubernetes})"
        yield Finding("versions.kubelet", problem, allowed)


def etcd_times(page: Page) -> Iterator[Finding]:
    """`electionTimeout` is at least five `heartbeatInterval`s; etcd refuses to start with less."""
    least = 5 * page.etcd.heartbeat_interval
    if page.etcd.election_timeout < least:
        problem = (
            f"{page.etcd.election_timeout} is less than 5 times heartbeatInterval ({page.etcd.heartbeat_interval})"
        )
        yield Finding("etcd.electionTimeout", problem, f"{least} to {LONGEST_ELECTION} ms")


def etcd_directories(page: Page) -> Iterator[Finding]:
    """`walDir` and `dataDir` do not contain each other: a restore moves the data directory away."""
    data, wal = page.etcd.data_dir, page.etcd.wal_dir
    if wal is not None and (wal == data or wal.startswith(f"{data}/") or data.startswith(f"{wal}/")):
        yield Finding("etcd.walDir", f"{wal!r} shares a directory with dataDir ({data})", "a directory beside dataDir")


def etcd_data_stays(page: Page) -> Iterator[Finding]:
    """`dataDir` and `walDir` are directories that stay over a boot, and that nothing else uses."""
    for name, path in (("dataDir", page.etcd.data_dir), ("walDir", page.etcd.wal_dir)):
        if path is None:
            continue
        why = next((why for root, why in _NOT_FOR_DATA.items() if path == root or path.startswith(f"{root}/")), None)
        if why or _SYSTEM.fullmatch(path):
            problem = f"{path!r} {why or 'is a directory that many programs share'}"
            yield Finding(f"etcd.{name}", problem, "a directory of its own, such as /var/lib/etcd")


def etcd_compaction(page: Page) -> Iterator[Finding]:
    """`autoCompactionRetention` fits its mode: with a unit (h or m) when periodic, a number when revision."""
    mode, retention = page.etcd.auto_compaction_mode, page.etcd.auto_compaction_retention
    path = "etcd.autoCompactionRetention"
    given = parse(retention)
    # Go counts the nanoseconds of a duration, and revisions, in 64 bits; a century is far below.
    if mode == "periodic" and (retention[-1:] not in ("h", "m") or not given or given > LONGEST):
        yield Finding(path, f"{retention!r} does not fit autoCompactionMode periodic", "a duration such as 8h or 30m")
    if mode == "revision" and not (is_number(retention) and 0 < int(retention) < 2**63):
        yield Finding(
            path, f"{retention!r} does not fit autoCompactionMode revision", "a number of revisions such as 10000"
        )


def extra_sans(page: Page) -> Iterator[Finding]:
    """Each further name of the API servers comes once."""
    for index, _, name in repeated(page.api.extra_sans):
        yield Finding(f"api.extraSans[{index}]", f"{name!r} is listed twice", "each name once")


def developers(page: Page) -> Iterator[Finding]:
    """Developers' names are unique, and not those of the admin or of a component with rights of its own."""
    people = page.access.developers
    for index, first, name in repeated(person.name for person in people):
        problem = f"{name!r} is also the name of access.developers[{first}]"
        yield Finding(f"access.developers[{index}].name", problem, "a name of its own")
    for index, person in enumerate(people):
        if person.name == ADMIN_NAME:
            yield Finding(
                f"access.developers[{index}].name", f"{ADMIN_NAME!r} is the cluster's admin", "any other name"
            )
        elif person.name in COMPONENTS:
            problem = f"{person.name!r} is a component of the cluster, so the developer would have its rights"
            yield Finding(f"access.developers[{index}].name", problem, "any other name")


def managed(page: Page) -> Iterator[Finding]:
    """`extraArgs` and `extraConfig` do not set what hardway sets itself (see below)."""
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


def waiting(page: Page) -> Iterator[Finding]:
    """`rollout.answerTimeout` is shorter than `rollout.healthTimeout`: each question has to end before the limit."""
    answer, health = page.rollout.answer_timeout, page.rollout.health_timeout
    if answer >= health:
        problem = f"{text(answer)} is not shorter than rollout.healthTimeout ({text(health)})"
        yield Finding("rollout.answerTimeout", problem, f"less than {text(health)}")


def mirror(page: Page) -> Iterator[Finding]:
    """`artifacts.mirror` is set with the source `mirror`, unless the machines are local: then it is never set."""
    path, given, served = "artifacts.mirror", page.artifacts.mirror, page.machines.serves_mirror
    if given is None and not served and page.artifacts.source == "mirror":
        problem = f"is missing, the provider {page.machines.provider} serves no mirror"
        yield Finding(path, problem, "http://HOST[:PORT][/PATH] or https://...")
    elif given is not None and served:
        problem = f"{given!r} would not be used, the provider {page.machines.provider} serves its own mirror"
        yield Finding(path, problem, "no mirror, or another provider of machines")


def mirror_authorities(page: Page) -> Iterator[Finding]:
    """`artifacts.certificateAuthority` has certificates of authorities, and a mirror over https that they verify."""
    path, given = "artifacts.certificateAuthority", page.artifacts.certificate_authority
    if given is None:
        return
    yield from authority_findings(path, given)
    if not any(page.artifacts.secure_mirrors()):
        problem = "would not be used, no URL of artifacts.mirror or artifacts.registryMirrors begins with https://"
        yield Finding(path, problem, "no authorities, or a mirror over https")


def proxy(page: Page) -> Iterator[Finding]:
    """`artifacts.proxy` has a URL for http or https. With local machines, only downloads of this host use it."""
    if (given := page.artifacts.proxy) is None:
        return
    if not any(given.urls()):
        yield Finding("artifacts.proxy", "names no proxy", "http, https or both")
    elif page.machines.serves_mirror and page.artifacts.source == "mirror":
        problem = "would not be used, artifacts.source is mirror, and this host serves the mirror"
        yield Finding("artifacts.proxy", problem, "no proxy, or artifacts.source: upstream or auto")
