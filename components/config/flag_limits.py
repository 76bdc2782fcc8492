"""Values that a program refuses at its start although they have the type of their flag.

The source of a limit is the check in the program: for kube-apiserver k8s.io/apiserver/pkg/server/options and
k8s.io/kubernetes/pkg/controlplane/apiserver/options, for kube-controller-manager and kube-scheduler the folder
`app/options` of the command, for etcd `Validate` in server/embed/config.go, for logs and metrics k8s.io/component-base.
tests/integration/test_programs_accept.py compares the limits with the programs.
"""

from __future__ import annotations

import re

from components.config.flag_values import assignments, csv_pairs, is_bool, items, seconds
from components.config.limits import POSITIVE, Limit, above, all_of, number, one_of, time

_COUNT = number(0)
_SOME = number(1)
# CIS Benchmarks recommend suites without forward secrecy, too.
SUITES = (
    "TLS_(AES_128_GCM_SHA256|AES_256_GCM_SHA384|CHACHA20_POLY1305_SHA256|"
    "(ECDHE_ECDSA|ECDHE_RSA|RSA)_WITH_(AES_128_(CBC_SHA|CBC_SHA256|GCM_SHA256)|AES_256_(CBC_SHA|GCM_SHA384))|"
    "ECDHE_(ECDSA|RSA)_WITH_CHACHA20_POLY1305(_SHA256)?|(ECDHE_RSA|RSA)_WITH_3DES_EDE_CBC_SHA|"
    "(ECDHE_ECDSA|ECDHE_RSA|RSA)_WITH_RC4_128_SHA)"
)
"""The names of cipher suites that Go has (crypto/tls)."""
_VERSIONS = all_of(r"(kube=)?v?\d+\.\d+(\.0)?", "MAJOR.MINOR, such as 1.36")
_COMMON = {
    "logging-format": one_of("text", "json"),
    "log-flush-frequency": POSITIVE,
    "allow-metric-labels": Limit(
        lambda value: all(
            re.fullmatch(r"[a-zA-Z_:][\w:]*,[a-zA-Z_]\w*", name, re.A) for name, _ in csv_pairs(value) or ()
        ),
        "METRIC,LABEL=VALUE",
    ),
    "disabled-metrics": all_of("[a-zA-Z_:][a-zA-Z0-9_:]*", "whole names of metrics, with commas between them"),
    "emulated-version": _VERSIONS,
    "min-compatibility-version": _VERSIONS,
    # README: TLS 1.2 or newer. Kubernetes itself would accept others. Without a value, Go takes 1.2.
    "tls-min-version": one_of("VersionTLS12", "VersionTLS13").or_empty(),
    "tls-cipher-suites": all_of(SUITES, "names of Go's cipher suites, with commas between them"),
    "tls-curve-preferences": all_of("23|24|25|29|4587|4588|4589", "numbers of curves that Go knows, such as 29"),
    "tls-sni-cert-key": Limit(lambda value: "," in value, "CERTIFICATE,KEY or CERTIFICATE,KEY:DOMAIN"),
    "requestheader-uid-headers": Limit(
        lambda value: value == "" or "x-remote-uid" in value.lower().split(","), "names with X-Remote-Uid among them"
    ),
    "leader-elect-resource-lock": one_of("leases"),
}
_AUDIT = {
    "mode": one_of("batch", "blocking", "blocking-strict"),
    "version": one_of("audit.k8s.io/v1"),
}
BATCH = {"buffer-size": _SOME, "max-size": _SOME}
THROTTLE = {"throttle-qps": above(0), "throttle-burst": _SOME}
"""Limits of `audit-BACKEND-batch-...`, which kube-apiserver checks only if it uses the values."""
_API_SERVER = {
    **dict.fromkeys(("audit-log-maxage", "audit-log-maxbackup", "audit-log-maxsize", "min-request-timeout"), _COUNT),
    **dict.fromkeys(("max-requests-inflight", "max-mutating-requests-inflight"), _COUNT),
    **dict.fromkeys(("livez-grace-period", "request-timeout", "storage-initialization-timeout"), time("0s")),
    "shutdown-watch-termination-grace-period": time("0s"),
    **{f"audit-{backend}-{name}": limit for backend in ("log", "webhook") for name, limit in _AUDIT.items()},
    "audit-log-format": one_of("legacy", "json"),
    "cors-allowed-origins": Limit(
        lambda value: all(re.search(r"\^|//", one) and re.search(r"[$:]", one) for one in items(value)),
        "regular expressions with '^' or '//', and with '$' or ':'",
    ),
    "goaway-chance": number(0, 0.02),
    "service-account-jwks-uri": Limit(lambda value: value == "" or value.startswith("https://"), "a https URL"),
    "service-account-max-token-expiration": Limit(
        lambda value: seconds(value) == 0 or time("1h", f"{2**32}s").accepts(value), f"1h to {2**32}s"
    ),
    "storage-backend": one_of("", "etcd3"),
    "strict-transport-security-directives": all_of(
        "includeSubDomains|preload|max-age=[^=]*", "max-age=SECONDS, includeSubDomains, preload"
    ),
    "watch-cache-sizes": all_of(r"[^#]+#\d+", "RESOURCE#SIZE, several with commas between them"),
    "runtime-config": Limit(
        lambda value: all(
            ("/" in key or key == "v1") and (state == "" or is_bool(state)) for key, state in assignments(value)
        ),
        "GROUP/VERSION=true or false, api/all, api/ga, api/beta or api/alpha",
    ),
}
# The health check of the unit asks /healthz without a certificate.
_HEALTH = {
    "authorization-always-allow-paths": Limit(
        # k8s.io/apiserver/pkg/authorization/path: the first '/' may be missing, a '*' at the end stands for any rest.
        lambda value: any(
            "healthz".startswith(path[:-1]) if path.endswith("*") else path == "healthz"
            for path in (item.strip().removeprefix("/") for item in items(value))
        ),
        "paths with /healthz among them",
    ),
}
_LEASES = {f"leader-elect-{name}": POSITIVE for name in ("lease-duration", "renew-deadline", "retry-period")}
_CONTROLLER_MANAGER = {
    "attach-detach-reconcile-sync-period": time("1s"),
    "cidr-allocator-type": one_of("", "RangeAllocator"),
    "cloud-provider": one_of("", "external"),
    # The program checks only some of them. None makes sense without a worker.
    **dict.fromkeys(
        (
            *("concurrent-cron-job-syncs", "concurrent-daemonset-syncs", "concurrent-deployment-syncs"),
            *(
                "concurrent-device-taint-eviction-syncs",
                "concurrent-endpoint-syncs",
                "concurrent-ephemeralvolume-syncs",
            ),
            *("concurrent-gc-syncs", "concurrent-horizontal-pod-autoscaler-syncs", "concurrent-job-syncs"),
            *("concurrent-namespace-syncs", "concurrent-rc-syncs", "concurrent-replicaset-syncs"),
            *(
                "concurrent-resource-quota-syncs",
                "concurrent-resourceclaim-syncs",
            ),
            *("concurrent-serviceaccount-token-syncs", "concurrent-statefulset-syncs"),
            *("concurrent-ttl-after-finished-syncs", "concurrent-validating-admission-policy-status-syncs"),
        ),
        _SOME,
    ),
    **dict.fromkeys(
        ("concurrent-service-endpoint-syncs", "mirroring-concurrent-service-endpoint-syncs"), number(1, 50)
    ),
    **dict.fromkeys(("max-endpoints-per-slice", "mirroring-max-endpoints-per-subset"), number(1, 1000)),
    "kube-api-burst": _COUNT,
}
_LOG = "default|stdout|stderr|systemd/journal|/.+"
_LEVELS = ("debug", "info", "warn", "error", "dpanic", "panic", "fatal")
_ETCD = {
    "auth-token": Limit(lambda value: value in ("simple", "") or value.startswith("jwt,"), "simple, or jwt,KEY=VALUE"),
    "backend-bbolt-freelist-type": one_of("array", "map"),
    "compact-hash-check-time": POSITIVE,
    "discovery-fallback": one_of("exit"),
    "distributed-tracing-sampling-rate": number(0, 1000000),
    "log-format": one_of("json", "console"),
    # zapcore reads a level in any letters.
    "log-level": Limit(lambda value: value == "" or value.lower() in _LEVELS, ", ".join(_LEVELS)),
    # The sandbox of the unit lets etcd write to its data only; the first machine finds a path beside the data.
    "log-outputs": all_of(
        _LOG, "default, stdout, stderr, systemd/journal, or an absolute path in the data of etcd"
    ).but_not_empty(),
    "logger": one_of("zap"),
    "metrics": one_of("basic", "extensive").or_empty(),
    "tls-min-version": one_of("TLS1.2", "TLS1.3").or_empty(),
    "tls-max-version": one_of("", "TLS1.2", "TLS1.3"),
    "v2-deprecation": one_of("write-only", "write-only-skip-check", "write-only-drop-data", "gone"),
}

LIMITS: dict[str, dict[str, Limit]] = {
    "kube-apiserver": _COMMON | _API_SERVER,
    "kube-controller-manager": _COMMON | _HEALTH | _LEASES | _CONTROLLER_MANAGER,
    "kube-scheduler": _COMMON | _HEALTH | _LEASES | {"kube-api-burst": _SOME},
    "kubelet": _COMMON,
    "etcd": _ETCD,
}
"""Limits by component and flag."""
RECORDED_ONLY = {"etcd": ("discovery-fallback", "v2-deprecation")}
"""Flags of which versions that nobody recorded accept more: the defaults of etcd 3.5 are proxy and not-yet."""
FILE = Limit(lambda value: value == "" or value.startswith("/"), "an absolute path on the machine")
_FILES = ("-file", "-manifest", "-dir")


def limit_of(component: str, name: str) -> Limit | None:
    """The limit of the values of a flag, if there is one."""
    return LIMITS[component].get(name) or (FILE if is_file(name) else None)


def is_file(name: str) -> bool:
    """Whether the value of a flag is a path: most such flags end the program if there is no such file."""
    return name.endswith(_FILES)
