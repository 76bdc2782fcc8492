"""Values that a program refuses at its start although they have the type of their flag.

The source of a limit is the check in the program: for kube-apiserver k8s.io/apiserver/pkg/server/options and
k8s.io/kubernetes/pkg/controlplane/apiserver/options, for kube-controller-manager and kube-scheduler the folder
`app/options` of the command, for etcd `Validate` in server/embed/config.go, for logs and metrics k8s.io/component-base.
tests/engine/test_programs_accept.py compares the limits with the programs.
"""

from __future__ import annotations

import re

from components.config.flag_values import csv_pairs, pairs, seconds
from components.config.limits import POSITIVE, Limit, above, all_of, number, one_of, time

_COUNT = number(0)
_SOME = number(1)
_SUITES = r"TLS_(AES|CHACHA20|ECDHE_(ECDSA|RSA)_WITH_(AES_(128|256)_(GCM|CBC)|CHACHA20))(_\w+)?"
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
    "emulated-version": all_of(r"(kube=)?v?\d+\.\d+", "MAJOR.MINOR, such as 1.36"),
    "min-compatibility-version": all_of(r"(kube=)?v?\d+\.\d+", "MAJOR.MINOR, such as 1.36"),
    # README: TLS 1.2 or newer, and only suites with forward secrecy. Kubernetes itself would accept others.
    "tls-min-version": one_of("VersionTLS12", "VersionTLS13"),
    "tls-cipher-suites": all_of(_SUITES, "names of Go's cipher suites with ECDHE, with commas between them"),
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
    "truncate-max-event-size": _SOME,
    "batch-buffer-size": _SOME,
    "batch-max-size": _SOME,
    "batch-throttle-burst": _SOME,
    "batch-throttle-qps": above(0),
}
_API_SERVER = {
    **dict.fromkeys(("audit-log-maxage", "audit-log-maxbackup", "audit-log-maxsize", "min-request-timeout"), _COUNT),
    **dict.fromkeys(("max-requests-inflight", "max-mutating-requests-inflight"), _COUNT),
    **dict.fromkeys(("livez-grace-period", "request-timeout", "storage-initialization-timeout"), time("0s")),
    "shutdown-watch-termination-grace-period": time("0s"),
    **{f"audit-{backend}-{name}": limit for backend in ("log", "webhook") for name, limit in _AUDIT.items()},
    "audit-log-format": one_of("legacy", "json"),
    "cors-allowed-origins": all_of(
        r"(\^.*|.*//.*)(\$|:.*)", "regular expressions that begin with '^' or have '//', and end with '$' or have ':'"
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
            ("/" in key or key == "v1") and state in ("", "true", "false") for key, state in pairs(value) or ()
        ),
        "GROUP/VERSION=true or false, api/all, api/ga, api/beta or api/alpha",
    ),
}
# The health check of the unit asks /healthz without a certificate.
_HEALTH = {
    "authorization-always-allow-paths": Limit(
        lambda value: "/healthz" in [path.strip() for path in value.split(",")], "paths with /healthz among them"
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
_LOG = "default|stdout|stderr|systemd/journal"
_ETCD = {
    "auth-token": Limit(lambda value: value == "simple" or value.startswith("jwt,"), "simple, or jwt,KEY=VALUE"),
    "backend-bbolt-freelist-type": one_of("array", "map"),
    "bcrypt-cost": number(4, 31),
    "compact-hash-check-time": POSITIVE,
    "discovery-fallback": one_of("exit"),
    "distributed-tracing-sampling-rate": number(0, 1000000),
    "log-format": one_of("json", "console"),
    "log-level": one_of("debug", "info", "warn", "error", "panic", "fatal"),
    # The sandbox of the unit lets etcd write to its data only, and journald has the rest.
    "log-outputs": all_of(_LOG, "default, stdout, stderr, systemd/journal").but_not_empty(),
    "enable-log-rotation": one_of("false"),
    "logger": one_of("zap"),
    "metrics": one_of("basic", "extensive"),
    "tls-min-version": one_of("TLS1.2", "TLS1.3"),
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
FILE = Limit(lambda value: value == "" or value.startswith("/"), "an absolute path on the machine")
_FILES = ("-file", "-manifest", "-dir")


def limit_of(component: str, name: str) -> Limit | None:
    """The limit of the values of a flag, if there is one."""
    return LIMITS[component].get(name) or (FILE if is_file(name) else None)


def is_file(name: str) -> bool:
    """Whether the value of a flag is a path: most such flags end the program if there is no such file."""
    return name.endswith(_FILES)
