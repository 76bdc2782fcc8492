"""Flags of the kubelet that are fields of its configuration file too.

A flag wins over the file, so a flag could undo a field that hardway protects. Such a flag is refused, and the message
names the field. tests/unit/test_flags.py compares the list with `kubelet --help`.
"""

from __future__ import annotations

# Where the field is not the flag in another spelling. Empty: the field is part of a field that hardway sets.
_OTHER_NAMES = {
    "anonymous-auth": "",
    "authentication-token-webhook": "",
    "authentication-token-webhook-cache-ttl": "",
    "authorization-mode": "",
    "authorization-webhook-cache-authorized-ttl": "",
    "authorization-webhook-cache-unauthorized-ttl": "",
    "cgroups-per-qos": "cgroupsPerQOS",
    "client-ca-file": "",
    "cluster-dns": "clusterDNS",
    "contention-profiling": "enableContentionProfiling",
    "cpu-cfs-quota": "cpuCFSQuota",
    "cpu-cfs-quota-period": "cpuCFSQuotaPeriod",
    "event-qps": "eventRecordQPS",
    "fail-cgroupv1": "failCgroupV1",
    "image-gc-high-threshold": "imageGCHighThresholdPercent",
    "image-gc-low-threshold": "imageGCLowThresholdPercent",
    "kube-api-content-type": "contentType",
    "kube-api-qps": "kubeAPIQPS",
    "kube-api-burst": "kubeAPIBurst",
    "log-json-info-buffer-size": "logging",
    "log-json-split-stream": "logging",
    "log-text-info-buffer-size": "logging",
    "log-text-split-stream": "logging",
    "logging-format": "logging",
    "make-iptables-util-chains": "makeIPTablesUtilChains",
    "manifest-url": "staticPodURL",
    "manifest-url-header": "staticPodURLHeader",
    "minimum-image-ttl-duration": "imageMinimumGCAge",
    "pod-cidr": "podCIDR",
    "pod-manifest-path": "staticPodPath",
    "pod-max-pids": "podPidsLimit",
    "registry-qps": "registryPullQPS",
    "rotate-server-certificates": "serverTLSBootstrap",
    "runonce": "",
    "reserved-cpus": "reservedSystemCPUs",
}
_SAME_NAMES = """
address allowed-unsafe-sysctls cgroup-driver cgroup-root cluster-domain container-log-max-files container-log-max-size
container-runtime-endpoint cpu-manager-policy cpu-manager-policy-options cpu-manager-reconcile-period
enable-controller-attach-detach enable-debugging-handlers enable-server enforce-node-allocatable event-burst
eviction-hard eviction-max-pod-grace-period eviction-minimum-reclaim eviction-pressure-transition-period eviction-soft
eviction-soft-grace-period fail-swap-on feature-gates file-check-frequency hairpin-mode healthz-bind-address
healthz-port http-check-frequency image-service-endpoint kernel-memcg-notification kube-reserved kube-reserved-cgroup
kubelet-cgroups local-storage-capacity-isolation max-open-files max-pods memory-manager-policy node-status-max-images
node-status-update-frequency oom-score-adj pods-per-core port protect-kernel-defaults qos-reserved read-only-port
register-node register-with-taints registry-burst reserved-memory resolv-conf rotate-certificates
runtime-request-timeout seccomp-default serialize-image-pulls streaming-connection-idle-timeout sync-frequency
system-cgroups system-reserved system-reserved-cgroup tls-cert-file tls-cipher-suites tls-min-version
tls-private-key-file topology-manager-policy topology-manager-policy-options topology-manager-scope volume-plugin-dir
volume-stats-agg-period
"""


def _camel_case(flag: str) -> str:
    first, *others = flag.split("-")
    return first + "".join(word.capitalize() for word in others)


FIELDS: dict[str, str] = {flag: _camel_case(flag) for flag in _SAME_NAMES.split()} | _OTHER_NAMES
"""The field of the configuration file for each flag."""
