"""Rules about `extraConfig`: each field exists in the version of its program, with a value that the program accepts.

What depends on the machine, such as the number of its processors, stays unchecked: the first machine finds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from components.config import accepted, feature_gates
from components.config.errors import Finding, path_of, shown
from components.config.field_limits import KEYS, leaves, limit_of
from components.config.field_values import problems
from components.config.flag_values import is_quantity, seconds
from components.config.flags import MANAGED_FIELDS
from components.config.page import Page
from components.config.rules.arguments import previous_minor, versions

_NEEDS_GATE = {
    # Field of the kubelet -> gate without which the field may not be set.
    "defaultPodSysctls": "DefaultPodSysctls",
    "imageMaximumGCAge": "ImageMaximumGCAge",
    "crashLoopBackOff": "KubeletCrashLoopBackOffMax",
    "imagePullCredentialsVerificationPolicy": "KubeletEnsureSecretPulledImages",
    "preloadedImagesVerificationAllowlist": "KubeletEnsureSecretPulledImages",
    "shutdownGracePeriodByPodPriority": "GracefulNodeShutdownBasedOnPodPriority",
    "shutdownGracePeriod": "GracefulNodeShutdown",
    "memorySwap": "NodeSwap",
    "qosReserved": "QOSReserved",
    "cpuCFSQuotaPeriod": "CustomCPUCFSQuotaPeriod",
}
_SYNC = {"iptables": ("30s", "1s"), "nftables": ("30s", "1s"), "ipvs": ("30s", "0s")}
"""Defaults of syncPeriod and minSyncPeriod (pkg/proxy/apis/config/v1alpha1/defaults.go)."""


def given_fields(page: Page) -> dict[str, dict[str, Any]]:
    """The fields of the page by component, without those that hardway sets itself."""
    given: dict[str, dict[str, Any]] = page.extra_config.model_dump(by_alias=True)
    return {
        component: {name: value for name, value in fields.items() if name not in MANAGED_FIELDS[component]}
        for component, fields in given.items()
    }


def known_fields(page: Page) -> Iterator[Finding]:
    """Each field of `extraConfig` is in the file of its program, with a value of the right type."""
    for component, fields in given_fields(page).items():
        yield from _wrong_types(component, versions(page)[component], fields)


def _wrong_types(component: str, version: str, fields: Mapping[str, Any]) -> Iterator[Finding]:
    known = accepted.fields(component, version)
    start = ("extraConfig", component)
    for place, value, problem, allowed in problems(known, fields, start) if known else ():
        what = f"{str(place[-1])!r}" if problem == "is not a known field" else shown(value)
        more = f" of {component} {version}" if problem == "is not a known field" else ""
        yield Finding(path_of(place), f"{what} {problem}{more}", allowed)


def field_values(page: Page) -> Iterator[Finding]:
    """The values of fields are ones that the program accepts at its start."""
    for component, fields in given_fields(page).items():
        yield from _wrong_values(component, versions(page)[component], fields)


def _wrong_values(component: str, version: str, fields: Mapping[str, Any]) -> Iterator[Finding]:
    wrong = {finding.path for finding in _wrong_types(component, version, fields)}
    for place, value in leaves(dict(fields)):
        path = path_of(("extraConfig", component, *place))
        limit = limit_of(component, place)
        if limit is not None and path not in wrong and not limit.accepts(value):
            yield Finding(path, f"{shown(value)} is not accepted", limit.allowed)
    for name, keys in KEYS.items() if component == "kubelet" else ():
        for key in fields.get(name, {}) if isinstance(fields.get(name), Mapping) else ():
            if key not in keys:
                path = path_of(("extraConfig", component, name, key))
                yield Finding(path, f"{key!r} means nothing to {component}", ", ".join(keys))


def field_contradictions(page: Page) -> Iterator[Finding]:
    """Fields do not contradict each other, what hardway sets, or the version of the program."""
    for component, fields in given_fields(page).items():
        version = versions(page)[component]
        if any(_wrong_types(component, version, fields)) or any(_wrong_values(component, version, fields)):
            # Another rule has told about the value.
            continue
        path = f"extraConfig.{component}"
        gates = fields.get("featureGates", {})
        for name, problem, allowed in feature_gates.problems("kubernetes", version, gates):
            yield Finding(f"{path}.featureGates.{name}", f"{name} {problem}", allowed)
        given, before = fields.get("showHiddenMetricsForVersion"), previous_minor(version)
        if given and given != before:
            problem = f"{shown(given)} is not the minor version before {version}"
            yield Finding(f"{path}.showHiddenMetricsForVersion", problem, f'"{before}"')
        yield from _logging(f"{path}.logging", version, fields.get("logging", {}), gates)
        if component == "kubelet":
            for rule in (_needed_gates, _images, _shutdown, _allocatable, _evictions, _managers, _memory, _others):
                yield from rule(path, page, fields)
        else:
            yield from _kube_proxy(path, page, fields)


def _is_on(page: Page, fields: Mapping[str, Any], gate: str) -> bool:
    return not feature_gates.is_off("kubernetes", page.versions.of_kubelet, fields.get("featureGates", {}), gate)


def _logging(path: str, version: str, logging: Mapping[str, Any], gates: Mapping[str, bool]) -> Iterator[Finding]:
    """k8s.io/component-base/logs/api/v1, Validate."""
    if logging.get("format") == "json" and logging.get("vmodule"):
        yield Finding(f"{path}.vmodule", "is for the format text, and the format is json", "one of both")
    for index, item in enumerate(logging.get("vmodule", ())):
        if not item.get("filePattern"):
            yield Finding(f"{path}.vmodule[{index}].filePattern", "is missing", "a pattern such as kubelet*")
    if not feature_gates.is_off("kubernetes", version, gates, "LoggingAlphaOptions"):
        return
    for kind, options in logging.get("options", {}).items():
        for name, value in options.items():
            if value not in (False, 0, "0"):
                problem = "needs the feature gate LoggingAlphaOptions"
                yield Finding(f"{path}.options.{kind}.{name}", problem, "featureGates with LoggingAlphaOptions: true")


def _needed_gates(path: str, page: Page, fields: Mapping[str, Any]) -> Iterator[Finding]:
    for name, gate in _NEEDS_GATE.items():
        if seconds(str(fields.get(name))) == 0:
            continue
        if fields.get(name) and not _is_on(page, fields, gate):
            yield Finding(f"{path}.{name}", f"needs the feature gate {gate}", f"featureGates with {gate}: true")
    quiet = fields.get("memoryThrottlingFactor") in (None, 0.9)
    tiered = fields.get("memoryReservationPolicy") == "TieredReservation"
    for name, wanted in (("memoryThrottlingFactor", not quiet), ("memoryReservationPolicy", tiered)):
        if wanted and not _is_on(page, fields, "MemoryQoS"):
            yield Finding(f"{path}.{name}", "needs the feature gate MemoryQoS", "featureGates with MemoryQoS: true")
    if fields.get("enableSystemLogQuery"):
        if not _is_on(page, fields, "NodeLogQuery"):
            problem = "needs the feature gate NodeLogQuery"
            yield Finding(f"{path}.enableSystemLogQuery", problem, "featureGates with NodeLogQuery: true")
        if fields.get("enableSystemLogHandler") is False:
            yield Finding(
                f"{path}.enableSystemLogQuery", "needs enableSystemLogHandler", "enableSystemLogHandler: true"
            )
    if fields.get("featureGates", {}).get("NodeSwap") is False and page.machines.provider == "local":
        problem = "takes the gate from memorySwap, which hardway sets on local machines"
        yield Finding(f"{path}.featureGates.NodeSwap", problem, "true")


def _images(path: str, page: Page, fields: Mapping[str, Any]) -> Iterator[Finding]:
    high = fields.get("imageGCHighThresholdPercent", 100 if page.machines.provider == "local" else 85)
    low = fields.get("imageGCLowThresholdPercent", 80)
    if low >= high:
        named = "Low" if "imageGCLowThresholdPercent" in fields else "High"
        problem = f"imageGCLowThresholdPercent {low} is not less than imageGCHighThresholdPercent {high}"
        yield Finding(f"{path}.imageGC{named}ThresholdPercent", problem, "a lower percentage for Low than for High")
    youngest, oldest = seconds(fields.get("imageMinimumGCAge", "2m")), seconds(fields.get("imageMaximumGCAge", "0s"))
    # The program takes 0s for its default.
    youngest = youngest or 120.0
    if oldest and oldest <= youngest:
        yield Finding(
            f"{path}.imageMaximumGCAge", f"is not longer than imageMinimumGCAge, {youngest:g} s", "a longer time, or 0s"
        )
    if fields.get("maxParallelImagePulls", 1) > 1 and fields.get("serializeImagePulls") is True:
        yield Finding(f"{path}.maxParallelImagePulls", "is above 1, and serializeImagePulls is true", "one of both")
    allowlist, policy = "preloadedImagesVerificationAllowlist", "NeverVerifyAllowlistedImages"
    if fields.get(allowlist) and fields.get("imagePullCredentialsVerificationPolicy") != policy:
        problem = f"is for the imagePullCredentialsVerificationPolicy {policy}"
        yield Finding(f"{path}.{allowlist}", problem, f"imagePullCredentialsVerificationPolicy: {policy}")


def _shutdown(path: str, page: Page, fields: Mapping[str, Any]) -> Iterator[Finding]:
    whole = seconds(fields.get("shutdownGracePeriod", "0s")) or 0
    critical = seconds(fields.get("shutdownGracePeriodCriticalPods", "0s")) or 0
    if critical > whole:
        problem = f"{critical:g} s are longer than shutdownGracePeriod, {whole:g} s"
        yield Finding(f"{path}.shutdownGracePeriodCriticalPods", problem, "at most shutdownGracePeriod")
    if whole and fields.get("shutdownGracePeriodByPodPriority"):
        yield Finding(f"{path}.shutdownGracePeriodByPodPriority", "is beside shutdownGracePeriod", "one of both")


def _allocatable(path: str, page: Page, fields: Mapping[str, Any]) -> Iterator[Finding]:
    name = "enforceNodeAllocatable"
    # The program takes an empty list for its default.
    given = fields.get(name) or ["pods"]
    for index, item in enumerate(given):
        if item in given[:index]:
            yield Finding(f"{path}.{name}[{index}]", f"{item!r} is listed twice", "each word once")
    if "none" in given and len(given) > 1:
        yield Finding(f"{path}.{name}", "'none' is beside other words", "none alone, or the others")
    for kind in ("system", "kube"):
        if {f"{kind}-reserved", f"{kind}-reserved-compressible"} <= set(given):
            yield Finding(f"{path}.{name}", f"{kind}-reserved is beside {kind}-reserved-compressible", "one of both")
        if any(item.startswith(f"{kind}-reserved") for item in given) and not fields.get(f"{kind}ReservedCgroup"):
            yield Finding(
                f"{path}.{name}", f"{kind}-reserved needs {kind}ReservedCgroup", f"{kind}ReservedCgroup beside it"
            )
    if fields.get("cgroupsPerQOS") is False and set(given) - {"none"}:
        yield Finding(f"{path}.cgroupsPerQOS", f"is false, and {name} needs it", f"true, or {name}: [none]")
    if fields.get("systemCgroups") and not fields.get("cgroupRoot"):
        yield Finding(f"{path}.systemCgroups", "is set without cgroupRoot", "both, or none")
    for other in ("systemReservedCgroup", "kubeReservedCgroup"):
        if fields.get("reservedSystemCPUs") and fields.get(other):
            yield Finding(f"{path}.reservedSystemCPUs", f"is beside {other}", "one of both")


def _evictions(path: str, page: Page, fields: Mapping[str, Any]) -> Iterator[Finding]:
    periods = fields.get("evictionSoftGracePeriod", {})
    for signal, value in fields.get("evictionSoft", {}).items():
        if signal not in periods and value not in ("0%", "100%"):
            place = path_of(("extraConfig", "kubelet", "evictionSoft", signal))
            yield Finding(place, "has no evictionSoftGracePeriod", f"evictionSoftGracePeriod with {signal}")


def _managers(path: str, page: Page, fields: Mapping[str, Any]) -> Iterator[Finding]:
    reserved = [fields.get(name, {}).get("cpu", "0") for name in ("kubeReserved", "systemReserved")]
    no_cpu = not fields.get("reservedSystemCPUs") and not any(re.search("[1-9]", value) for value in reserved)
    if fields.get("cpuManagerPolicy") == "static" and no_cpu:
        allowed = "reservedSystemCPUs, or cpu in kubeReserved or systemReserved"
        yield Finding(f"{path}.cpuManagerPolicy", "'static' needs processors that are reserved", allowed)
    if fields.get("cpuManagerPolicyOptions") and fields.get("cpuManagerPolicy") != "static":
        yield Finding(
            f"{path}.cpuManagerPolicyOptions", "is for the cpuManagerPolicy static", "cpuManagerPolicy: static"
        )
    if fields.get("memoryManagerPolicy") == "Static" and not fields.get("reservedMemory"):
        yield Finding(
            f"{path}.memoryManagerPolicy", "'Static' needs reservedMemory", "reservedMemory of each NUMA node"
        )


def _memory(path: str, page: Page, fields: Mapping[str, Any]) -> Iterator[Finding]:
    seen: set[tuple[int, str]] = set()
    for index, item in enumerate(fields.get("reservedMemory", ())):
        for kind in item.get("limits", {}):
            place = path_of(("extraConfig", "kubelet", "reservedMemory", index, "limits", kind))
            if kind != "memory" and not (
                kind.startswith("hugepages-") and is_quantity(kind.removeprefix("hugepages-"))
            ):
                yield Finding(place, f"{kind!r} is no memory", "memory or hugepages-SIZE")
            elif (pair := (item.get("numaNode", 0), kind)) in seen:
                yield Finding(place, f"{kind!r} of NUMA node {pair[0]} is listed twice", "each once")
            else:
                seen.add(pair)


def _others(path: str, page: Page, fields: Mapping[str, Any]) -> Iterator[Finding]:
    given = fields.get("defaultPodSysctls", {})
    for name in given:
        if not re.fullmatch(r"(kernel\.(shm|msg|sem)|fs\.mqueue\.|net\.)[a-z0-9_.-]*", name.replace("/", "."), re.A):
            place = path_of(("extraConfig", "kubelet", "defaultPodSysctls", name))
            yield Finding(place, f"{name!r} is no sysctl of a namespace", "a name such as net.ipv4.ip_forward")


def _kube_proxy(path: str, page: Page, fields: Mapping[str, Any]) -> Iterator[Finding]:
    mode = page.network.proxy_mode
    section, (sync, least) = fields.get(mode, {}), _SYNC[mode]
    period = seconds(section.get("syncPeriod", "0s")) or seconds(sync) or 0
    shortest = seconds(section.get("minSyncPeriod", "0s")) or seconds(least) or 0
    if shortest > period:
        named = "minSyncPeriod" if "minSyncPeriod" in section else "syncPeriod"
        problem = f"syncPeriod {period:g} s is shorter than minSyncPeriod {shortest:g} s"
        yield Finding(f"{path}.{mode}.{named}", problem, "a syncPeriod that is at least minSyncPeriod")
    local = fields.get("detectLocal", {})
    for kind, key in (("BridgeInterface", "bridgeInterface"), ("InterfaceNamePrefix", "interfaceNamePrefix")):
        if fields.get("detectLocalMode") == kind and not local.get(key):
            yield Finding(f"{path}.detectLocalMode", f"{kind!r} needs detectLocal.{key}", f"detectLocal with {key}")
    if mode == "ipvs" and fields.get("featureGates", {}).get("KubeProxyIPVS") is False:
        yield Finding(f"{path}.featureGates.KubeProxyIPVS", "is false, and network.proxyMode is ipvs", "true")
    seen: set[str] = set()
    for index, item in enumerate(fields.get("nodePortAddresses", ())):
        if item in seen and "/" not in item:
            yield Finding(f"{path}.nodePortAddresses[{index}]", f"{item!r} is listed twice", "each word once")
        seen.add(item)
