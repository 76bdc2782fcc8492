"""Rules about `extraArgs`: each flag exists in the version of its program, and its program accepts the value.

The sources are the programs themselves (`accepted.json`) and the checks that they do at their start (`flag_limits.py`).
What depends on files of the node stays unchecked: the first machine finds such a mistake, and goes back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from components.config import accepted, feature_gates
from components.config.cluster import numbers
from components.config.errors import Finding, shown
from components.config.flag_limits import BATCH, RECORDED_ONLY, THROTTLE, limit_of
from components.config.flag_values import KINDS, assignments, is_true, items, pairs, seconds
from components.config.flags import MANAGED_FLAGS
from components.config.page import Page

_CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
# Each is longer than the next. Sources: validateCoordinatedLeadershipFlags in
# k8s.io/kubernetes/pkg/controlplane/apiserver/options, and client-go's NewLeaderElector.
_COORDINATED = {"lease-duration": "15s", "renew-deadline": "10s", "retry-period": "2s"}
_JITTER = 1.2
EMULATED_BEHIND = 3
"""Minor versions that an emulated version may be older than the program."""
_PEER = ("peer-ca-file", "peer-advertise-ip", "peer-advertise-port")
_MOST_EVENT, _MOST_BATCH = "102400", "10485760"


def versions(page: Page) -> dict[str, str]:
    """The version of each component that takes flags or fields."""
    kubelet, kubernetes = page.versions.of_kubelet, page.versions.kubernetes
    own = dict.fromkeys(_CONTROL_PLANE, kubernetes) | dict.fromkeys(("kubelet", "kube-proxy"), kubelet)
    return own | {"etcd": page.versions.etcd}


def given_flags(page: Page) -> dict[str, dict[str, str]]:
    """The flags of the page by component, without those that hardway sets itself."""
    given: dict[str, dict[str, str]] = page.extra_args.model_dump(by_alias=True)
    return {
        component: {name: value for name, value in flags.items() if name not in MANAGED_FLAGS[component]}
        for component, flags in given.items()
    }


def known_flags(page: Page) -> Iterator[Finding]:
    """Each flag of `extraArgs` is a flag of its program in the version of the page, if the version is recorded."""
    for component, flags in given_flags(page).items():
        version = versions(page)[component]
        known = accepted.flags(component, version)
        for name in flags if known else ():
            if name not in known:
                like = get_close_matches(name, [flag for flag in known if flag not in MANAGED_FLAGS[component]], n=1)
                yield Finding(
                    f"extraArgs.{component}.{name}",
                    f"{component} {version} has no such flag",
                    f"a flag that `{component} --help` lists" + (f", such as {like[0]}" if like else ""),
                )


def flag_values(page: Page) -> Iterator[Finding]:
    """The value of a flag has the type of the flag, and is one that the program accepts at its start."""
    for component, flags in given_flags(page).items():
        yield from _wrong_values(component, versions(page)[component], flags)


def _wrong_values(component: str, version: str, flags: Mapping[str, str]) -> Iterator[Finding]:
    for name, value in flags.items():
        path = f"extraArgs.{component}.{name}"
        kind, limit = KINDS.get(accepted.flag_type(component, version, name)), limit_of(component, name)
        if name in RECORDED_ONLY.get(component, ()) and not accepted.flags(component, version):
            limit = None
        if kind is not None and not kind.is_valid(value):
            yield Finding(path, f"{shown(value)} is not {kind.name}", kind.allowed)
        elif limit is not None and not limit.accepts(value):
            yield Finding(path, f"{shown(value)} is not accepted", limit.allowed)


def flag_contradictions(page: Page) -> Iterator[Finding]:
    """Flags do not contradict each other, what hardway sets, or the version of the program."""
    for component, flags in given_flags(page).items():
        version = versions(page)[component]
        if any(_wrong_values(component, version, flags)):
            # Another rule has told about the value.
            continue
        path = f"extraArgs.{component}"
        yield from _gates(path, component, version, flags)
        if component == "etcd":
            yield from _etcd(path, flags)
            continue
        yield from _logs(path, component, version, flags)
        yield from _hidden_metrics(path, version, flags)
        yield from _emulation(path, version, flags)
        if component == "kube-apiserver":
            yield from _api_server(path, page, flags)
        if "leader-elect" in MANAGED_FLAGS[component]:
            yield from _leases(path, "leader-elect", flags, _JITTER)


def gates_of(flags: Mapping[str, str]) -> dict[str, bool]:
    """The feature gates in the flag `feature-gates`; a gate may have the name of a component before it."""
    found = pairs(flags.get("feature-gates", "")) or []
    return {name.rpartition(":")[2]: is_true(value) for name, value in found}


def emulated(version: str, flags: Mapping[str, str]) -> str:
    """The version whose feature gates a program has: `emulated-version`, if the flag is given."""
    given = flags.get("emulated-version", "").rpartition(",")[2].rpartition("=")[2].strip().removeprefix("v")
    return given or version


def _gates(path: str, component: str, version: str, flags: Mapping[str, str]) -> Iterator[Finding]:
    product = "etcd" if component == "etcd" else "kubernetes"
    version = emulated(version, flags)
    for name, problem, allowed in feature_gates.problems(product, version, gates_of(flags)):
        yield Finding(f"{path}.feature-gates", f"{name} {problem}", allowed)


def _logs(path: str, component: str, version: str, flags: Mapping[str, str]) -> Iterator[Finding]:
    """k8s.io/component-base/logs/api/v1, Validate."""
    if flags.get("logging-format") == "json" and flags.get("vmodule"):
        yield Finding(f"{path}.vmodule", "is for the logging-format text, and the format is json", "one of both flags")
    for name in (f"log-{kind}-{what}" for kind in ("text", "json") for what in ("split-stream", "info-buffer-size")):
        needs = flags.get(name, "0") not in ("0", "false", "f", "F", "False", "FALSE")
        if needs and feature_gates.is_off(
            "kubernetes", emulated(version, flags), gates_of(flags), "LoggingAlphaOptions"
        ):
            allowed = f"feature-gates of {component} with LoggingAlphaOptions=true, or no {name}"
            yield Finding(f"{path}.{name}", "needs the feature gate LoggingAlphaOptions", allowed)


def _hidden_metrics(path: str, version: str, flags: Mapping[str, str]) -> Iterator[Finding]:
    """k8s.io/component-base/metrics, ValidateShowHiddenMetricsVersion."""
    name = "show-hidden-metrics-for-version"
    if (given := flags.get(name)) and given != (before := previous_minor(version)):
        yield Finding(f"{path}.{name}", f"{shown(given)} is not the minor version before {version}", f'"{before}"')


def previous_minor(version: str) -> str:
    """`1.36` for `1.37.1`."""
    major, minor, *_ = numbers(version)
    return f"{major}.{minor - 1}"


def _emulation(path: str, version: str, flags: Mapping[str, str]) -> Iterator[Finding]:
    """k8s.io/component-base/compatibility, Validate of effectiveVersion."""
    major, minor, *_ = numbers(version)
    oldest: tuple[int, ...] = (major, minor - EMULATED_BEHIND)
    newest: tuple[int, ...] = (major, minor)
    for name in ("emulated-version", "min-compatibility-version"):
        for text in filter(None, flags.get(name, "").split(",")):
            given = numbers(text.strip().rpartition("=")[2].removeprefix("v"))[:2]
            if not oldest <= given <= newest:
                allowed = f"{'.'.join(map(str, oldest))} to {'.'.join(map(str, newest))}"
                yield Finding(f"{path}.{name}", f"{shown(text)} is no version that {version} can stand in for", allowed)
            elif name == "emulated-version":
                newest = given


def _api_server(path: str, page: Page, flags: Mapping[str, str]) -> Iterator[Finding]:
    version = page.versions.kubernetes
    yield from _leases(path, "coordinated-leadership", flags, 1)
    for backend in ("log", "webhook"):
        if backend == "webhook" and not flags.get("audit-webhook-config-file"):
            # The program checks the settings of a backend that is on. hardway always writes a log.
            continue
        yield from _batches(path, backend, flags)
        event = flags.get(f"audit-{backend}-truncate-max-event-size", _MOST_EVENT)
        if int(event) < 1:
            yield Finding(f"{path}.audit-{backend}-truncate-max-event-size", f"{event} is no size", "at least 1")
        batch = flags.get(f"audit-{backend}-truncate-max-batch-size", _MOST_BATCH)
        if int(batch) < int(event):
            problem = f"{batch} is less than audit-{backend}-truncate-max-event-size ({event})"
            yield Finding(f"{path}.audit-{backend}-truncate-max-batch-size", problem, f"at least {event}")
    inflight = [flags.get(f"max-{kind}requests-inflight", "1") for kind in ("", "mutating-")]
    if not any(int(number) for number in inflight) and is_true(flags.get("enable-priority-and-fairness", "true")):
        problem = "0 together with max-mutating-requests-inflight 0 lets no request in"
        yield Finding(f"{path}.max-requests-inflight", problem, "a number above 0 for one of both")
    for name in ("emulation-forward-compatible", "runtime-config-emulation-forward-compatible"):
        if is_true(flags.get(name, "")) and not flags.get("emulated-version"):
            yield Finding(
                f"{path}.{name}", "is true without an older emulated-version", "false, or an emulated-version"
            )
    for name in _PEER:
        gate = "UnknownVersionInteroperabilityProxy"
        if flags.get(name) and feature_gates.is_off("kubernetes", emulated(version, flags), gates_of(flags), gate):
            yield Finding(f"{path}.{name}", f"needs the feature gate {gate}", f"feature-gates with {gate}=true")
    port = int(flags.get("kubernetes-service-node-port", "0"))
    if port and port not in page.network.node_ports:
        problem = f"{port} is outside of network.nodePortRange"
        yield Finding(f"{path}.kubernetes-service-node-port", problem, f"0, or {page.network.node_port_range}")
    yield from _runtime_config(path, flags)


def _batches(path: str, backend: str, flags: Mapping[str, str]) -> Iterator[Finding]:
    """Source: validateBackendBatchOptions in k8s.io/apiserver/pkg/server/options/audit.go."""
    is_webhook = backend == "webhook"
    if flags.get(f"audit-{backend}-mode", "batch" if is_webhook else "blocking") != "batch":
        return
    throttles = is_true(flags.get(f"audit-{backend}-batch-throttle-enable", str(is_webhook).lower()))
    for name, limit in (BATCH | THROTTLE if throttles else BATCH).items():
        value = flags.get(flag := f"audit-{backend}-batch-{name}")
        if value is not None and not limit.accepts(value):
            yield Finding(f"{path}.{flag}", f"{shown(value)} is not accepted", limit.allowed)


def _runtime_config(path: str, flags: Mapping[str, str]) -> Iterator[Finding]:
    """APIEnablementOptions.Validate, validateAPIPriorityAndFairness."""
    given = dict(assignments(flags.get("runtime-config", "")))
    if given == {"api/all": "false"}:
        yield Finding(f"{path}.runtime-config", "api/all=false alone leaves no API", "APIs that are true beside it")
        return
    if not is_true(flags.get("enable-priority-and-fairness", "true")):
        return
    for name in ("flowcontrol.apiserver.k8s.io/v1", "api/ga", "api/all"):
        if given.get(name) == "false":
            allowed = "no such API turned off, or enable-priority-and-fairness: false"
            yield Finding(f"{path}.runtime-config", f"{name}=false turns off what priority and fairness need", allowed)
        if name in given:
            return


def _leases(path: str, prefix: str, flags: Mapping[str, str], jitter: float) -> Iterator[Finding]:
    times = {name: flags.get(f"{prefix}-{name}", default) for name, default in _COORDINATED.items()}
    lengths = {name: seconds(text) or 0 for name, text in times.items()}
    for longer, shorter, factor in (
        ("lease-duration", "renew-deadline", 1),
        ("renew-deadline", "retry-period", jitter),
    ):
        if lengths[longer] <= factor * lengths[shorter]:
            given = longer if f"{prefix}-{longer}" in flags else shorter
            more = f"{factor} times " if factor != 1 else ""
            problem = f"{prefix}-{longer} {times[longer]} is not longer than {more}{prefix}-{shorter} {times[shorter]}"
            yield Finding(f"{path}.{prefix}-{given}", problem, "lease-duration > renew-deadline > retry-period")


def _etcd(path: str, flags: Mapping[str, str]) -> Iterator[Finding]:
    """Validate in go.etcd.io/etcd/server/embed/config.go, setupLogRotation in config_logging.go."""
    outputs = items(flags.get("log-outputs", "default"))
    files = [output for output in outputs if output not in ("default", "stderr", "stdout")]
    if is_true(flags.get("enable-log-rotation", "")) and (len(files) > 1 or (not files and len(outputs) == 1)):
        problem = f"is true, and log-outputs has {len(files) or 'no'} files"
        yield Finding(f"{path}.enable-log-rotation", problem, "false, or log-outputs with one absolute path")
    if flags.get("tls-max-version") == "TLS1.2" and flags.get("tls-min-version") == "TLS1.3":
        yield Finding(f"{path}.tls-min-version", "TLS1.3 is newer than tls-max-version TLS1.2", "TLS1.2")
    if flags.get("tls-min-version") == "TLS1.3" and flags.get("cipher-suites"):
        yield Finding(f"{path}.cipher-suites", "is given, and TLS 1.3 has no suites to choose", "no cipher-suites")
