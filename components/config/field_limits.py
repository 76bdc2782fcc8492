"""Values of fields that kubelet or kube-proxy refuses at its start although they have the right type.

Sources: pkg/kubelet/apis/config/validation and cmd/kubelet/app/server.go, pkg/proxy/apis/config/validation, all in
k8s.io/kubernetes; k8s.io/component-base/logs/api/v1. tests/integration/test_programs_accept.py compares the limits with
the programs.
"""

from __future__ import annotations

import ipaddress
import posixpath
import re
from typing import Any

from components.config.flag_limits import SUITES
from components.config.flag_values import is_quantity, seconds
from components.config.limits import POSITIVE, Limit, all_of, number, one_of, time
from components.config.names import is_ipv4

_COUNT = number(0)
_NOT_NEGATIVE = time("0s")
_LINUX_SCORE = number(-1000, 1000)
_BIT = number(0, 31)


def _is_log_dir(path: str) -> bool:
    return path == "" or (
        path.startswith("/") and path.isascii() and posixpath.normpath(path) == path and path[:2] != "//"
    )


def _is_cpu_set(text: str) -> bool:
    ranges = [re.fullmatch(r"(\d+)(?:-(\d+))?", part, re.A) for part in text.split(",")] if text else []
    return all(found is not None and int(found[1]) <= int(found[2] or found[1]) for found in ranges)


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return "/" in text and text.rpartition("/")[2].isdecimal()


_NETWORK = Limit(_is_network, "a network such as 10.0.0.0/8")
_LOGGING: dict[str, Limit] = {
    "logging.format": one_of("", "text", "json"),
    "logging.flushFrequency": Limit(
        lambda v: v in (0, "0", "0s") or (v > 0 if isinstance(v, int) else POSITIVE.accepts(v)), "a duration above 0s"
    ),
    "logging.verbosity": number(0, 2**31 - 1),
    "logging.vmodule[].verbosity": number(0, 2**31 - 1),
    "logging.vmodule[].filePattern": Limit(lambda v: v != "" and not re.search("[=,]", v), "a pattern without = and ,"),
}


def _percent(value: str) -> bool:
    return re.fullmatch(r"\d+(\.\d+)?%", value, re.A) is not None and float(value[:-1]) <= 100


def _threshold(value: str) -> bool:
    """ParseThresholdConfig in pkg/kubelet/eviction/helpers.go: 0% and 100% turn a threshold off."""
    return _percent(value) or (
        is_quantity(value) and not value.startswith("-") and re.search("[1-9]", value) is not None
    )


_THRESHOLD = Limit(_threshold, "a quantity such as 100Mi, or 0% to 100%")
_RECLAIM = Limit(
    lambda v: _percent(v) or (is_quantity(v) and not v.startswith("-")), "a quantity such as 500Mi, or 0% to 100%"
)
_RESERVED = Limit(lambda v: is_quantity(v) and not v.startswith("-"), "a quantity such as 500m or 1Gi, not negative")
_GRACE = Limit(lambda v: seconds(v) is not None and (seconds(v) or 0) >= 0, "a duration such as 90s")

LIMITS: dict[str, dict[str, Limit]] = {
    "kubelet": {
        **_LOGGING,
        **dict.fromkeys(
            (
                *("eventBurst", "eventRecordQPS", "kubeAPIBurst", "kubeAPIQPS", "maxOpenFiles", "maxPods"),
                *("podsPerCore", "registryBurst", "registryPullQPS", "nodeLeaseDurationSeconds"),
            ),
            _COUNT,
        ),
        **dict.fromkeys(("imageGCHighThresholdPercent", "imageGCLowThresholdPercent"), number(0, 100)),
        **dict.fromkeys(("iptablesDropBit", "iptablesMasqueradeBit"), _BIT),
        **dict.fromkeys(("imageMinimumGCAge", "imageMaximumGCAge"), _NOT_NEGATIVE),
        **dict.fromkeys(
            ("shutdownGracePeriod", "shutdownGracePeriodCriticalPods"),
            Limit(lambda v: seconds(v) == 0 or (seconds(v) or 0) >= 1, "0s, or at least 1s"),
        ),
        "allowedUnsafeSysctls[]": all_of(r"[a-z0-9][-_a-z0-9./]*\*?", "names of sysctls, also with '*' at the end"),
        "configMapAndSecretChangeDetectionStrategy": one_of("", "Get", "Cache", "Watch"),
        "containerLogMaxFiles": number(2),
        "containerLogMaxSize": Limit(
            # A negative size means that logs are not rotated (container_log_manager.go).
            lambda v: v == "" or is_quantity(v),
            "a quantity such as 10Mi",
        ),
        "containerLogMaxWorkers": number(1),
        "containerLogMonitorInterval": time("3s"),
        "cpuCFSQuotaPeriod": time("1ms", "1s"),
        "cpuManagerPolicy": one_of("", "none", "static"),
        "crashLoopBackOff.maxContainerRestartPeriod": time("1s", "300s"),
        "enforceNodeAllocatable[]": one_of(
            *("pods", "system-reserved", "system-reserved-compressible", "kube-reserved", "kube-reserved-compressible"),
            "none",
        ),
        "evictionHard.*": _THRESHOLD,
        "evictionSoft.*": _THRESHOLD,
        "evictionMinimumReclaim.*": _RECLAIM,
        "evictionSoftGracePeriod.*": _GRACE,
        "hairpinMode": one_of("", "none", "hairpin-veth", "promiscuous-bridge"),
        "imagePullCredentialsVerificationPolicy": one_of(
            "", "NeverVerify", "NeverVerifyPreloadedImages", "NeverVerifyAllowlistedImages", "AlwaysVerify"
        ),
        "kubeReserved.*": _RESERVED,
        "systemReserved.*": _RESERVED,
        "maxParallelImagePulls": number(1),
        "memoryManagerPolicy": one_of("", "None", "Static"),
        "memoryReservationPolicy": one_of("", "None", "TieredReservation"),
        "memorySwap.swapBehavior": one_of("", "LimitedSwap", "NoSwap"),
        "memoryThrottlingFactor": Limit(lambda v: 0 < v <= 1, "above 0, at most 1"),
        "nodeStatusMaxImages": number(-1),
        "oomScoreAdj": _LINUX_SCORE,
        "podLogsDir": Limit(_is_log_dir, "an absolute path in its shortest form"),
        "podPidsLimit": number(-1),
        "qosReserved.*": Limit(_percent, "0% to 100%"),
        "reservedMemory[].limits.*": Limit(
            lambda v: re.search("[1-9]", str(v)) is not None and not str(v).startswith("-"), "a quantity above 0"
        ),
        "reservedSystemCPUs": Limit(_is_cpu_set, "numbers and ranges of processors, such as 0,2-3"),
        "runOnce": Limit(lambda v: v is False, "false"),
        "tlsCipherSuites[]": all_of(SUITES, "names of Go's cipher suites"),
        "tlsMinVersion": one_of("VersionTLS12", "VersionTLS13").or_empty(),
        "topologyManagerPolicy": one_of("", "none", "best-effort", "restricted", "single-numa-node"),
        "topologyManagerScope": one_of("", "container", "pod"),
        "tracing.endpoint": Limit(
            lambda v: re.fullmatch(r"([a-z]+://)?[\w.:/\[\]-]*", v, re.A) is not None,
            "HOST:PORT, or a URL with a scheme",
        ),
        "tracing.samplingRatePerMillion": number(0, 1000000),
        "userNamespaces.idsPerPod": Limit(
            lambda v: 65536 <= v < 2**32 and v % 65536 == 0, f"a multiple of 65536, at most {2**32 - 65536}"
        ),
    },
    "kube-proxy": {
        **_LOGGING,
        **dict.fromkeys(("conntrack.maxPerCore", "conntrack.min"), _COUNT),
        **dict.fromkeys(
            (
                *("conntrack.tcpEstablishedTimeout", "conntrack.tcpCloseWaitTimeout", "conntrack.udpTimeout"),
                *("conntrack.udpStreamTimeout", "ipvs.tcpTimeout", "ipvs.tcpFinTimeout", "ipvs.udpTimeout"),
                *("configSyncPeriod", "iptables.syncPeriod", "nftables.syncPeriod", "ipvs.syncPeriod"),
                *("iptables.minSyncPeriod", "nftables.minSyncPeriod", "ipvs.minSyncPeriod"),
            ),
            # 0s is the default of the program.
            _NOT_NEGATIVE,
        ),
        **dict.fromkeys(("iptables.masqueradeBit", "nftables.masqueradeBit"), _BIT),
        "bindAddress": Limit(lambda v: v == "" or is_ipv4(v), "an IPv4 address such as 0.0.0.0"),
        "detectLocalMode": one_of("", "ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix"),
        "ipvs.excludeCIDRs[]": _NETWORK,
        "nodePortAddresses[]": Limit(
            lambda v: v in ("primary", "localhost", "all") or _is_network(v), "a network, primary, localhost or all"
        ),
        "oomScoreAdj": _LINUX_SCORE,
    },
}
"""Limits by component and path. `[]` stands for each item of a list, `*` for each value of a mapping."""

KEYS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("kubeReserved", "systemReserved"), ("cpu", "memory", "ephemeral-storage", "pid")),
    **dict.fromkeys(
        ("evictionHard", "evictionSoft", "evictionSoftGracePeriod", "evictionMinimumReclaim"),
        (
            *("memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available", "imagefs.inodesFree"),
            *("containerfs.available", "containerfs.inodesFree", "allocatableMemory.available", "pid.available"),
        ),
    ),
    "qosReserved": ("memory",),
    "cpuManagerPolicyOptions": (
        *("full-pcpus-only", "distribute-cpus-across-numa", "align-by-socket", "distribute-cpus-across-cores"),
        *("strict-cpu-reservation", "prefer-align-cpus-by-uncorecache"),
    ),
    "topologyManagerPolicyOptions": ("prefer-closest-numa-nodes", "max-allowable-numa-nodes"),
}
"""The keys of mappings of the kubelet in which only some mean something."""


def limit_of(component: str, place: tuple[str | int, ...]) -> Limit | None:
    """The limit of the value at a place of a component's file, such as ("evictionHard", "memory.available")."""
    names = ["[]" if isinstance(part, int) else f".{part}" for part in place]
    path, last = "".join(names).removeprefix("."), names[-1]
    found = LIMITS[component].get(path)
    if found is None and len(names) > 1 and last != "[]":
        found = LIMITS[component].get("".join(names[:-1]).removeprefix(".") + ".*")
    return found


def leaves(value: Any, place: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    """Every single value of a tree, with its place."""
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in leaves(item, (*place, key))]
    if isinstance(value, list | tuple):
        return [leaf for index, item in enumerate(value) for leaf in leaves(item, (*place, index))]
    return [(place, value)]
