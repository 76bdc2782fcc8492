"""Flags and configuration fields which hardway sets itself, and so refuses in `extraArgs` and `extraConfig`.

The tables have only what would break the cluster or a promise (certificates, addresses, encryption, audit, zero failed
requests). The value names the key of the page to use instead; an empty value means that there is no such key.
"""

import re
from typing import Annotated

from components.config import kubelet_flags
from components.config.section import Rule


def _flag_name_problem(value: str) -> str | None:
    if value.startswith("-"):
        return "starts with a dash"
    return None if re.fullmatch(r"[a-z][a-z0-9-]*", value) else "is not a flag name"


def _flag_value_problem(value: str | int | bool) -> str | None:
    # A line break would end the line of the systemd unit that the flag is written to.
    return "has control characters" if re.search(r"[\x00-\x1f\x7f]", str(value)) else None


def _flag_text(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _managed(names: str, **instead: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), "") | {name.replace("_", "-"): key for name, key in instead.items()}


FlagName = Annotated[
    str, Rule("flag", "a flag name of lower case letters, digits and '-', without leading dashes", _flag_name_problem)
]
FlagValue = Annotated[
    str,
    Rule(
        "flag value",
        "text on one line, a whole number, or true or false",
        _flag_value_problem,
        accepts=(str, int, bool),
        convert=_flag_text,
        private=True,
    ),
]
ConfigField = Annotated[
    str,
    Rule(
        "field",
        "a field name of letters and digits",
        lambda value: None if re.fullmatch(r"[a-z][A-Za-z0-9]*", value) else "is not a field name",
    ),
]

# The file of authentication-config excludes all other flags; hardway always sets the file (ToAuthenticationConfig in
# k8s.io/kubernetes/pkg/kubeapiserver/options).
_OIDC = (
    *("authentication-config", "oidc-issuer-url", "oidc-client-id", "oidc-ca-file", "oidc-username-claim"),
    *("oidc-username-prefix", "oidc-groups-claim", "oidc-groups-prefix", "oidc-required-claim", "oidc-signing-algs"),
)
_PROXY = (
    *("requestheader-allowed-names", "requestheader-username-headers", "requestheader-group-headers"),
    "requestheader-extra-headers-prefix",
)
_AUTHORIZATION = ("authorization-mode", "authorization-config", "authorization-webhook-config-file")

MANAGED_FLAGS: dict[str, dict[str, str]] = {
    "kube-apiserver": _managed(
        """advertise-address bind-address etcd-servers etcd-cafile etcd-certfile etcd-keyfile client-ca-file
        tls-cert-file tls-private-key-file kubelet-certificate-authority kubelet-client-certificate kubelet-client-key
        kubelet-preferred-address-types
        service-account-issuer service-account-key-file service-account-signing-key-file
        enable-bootstrap-token-auth anonymous-auth allow-privileged encryption-provider-config
        encryption-provider-config-automatic-reload audit-policy-file audit-log-path
        requestheader-client-ca-file proxy-client-cert-file proxy-client-key-file
        shutdown-delay-duration shutdown-send-retry-after endpoint-reconciler-type
        etcd-prefix etcd-servers-overrides storage-media-type service-account-lookup
        service-account-extend-token-expiration service-account-signing-endpoint
        authorization-policy-file version""",
        **dict.fromkeys(_OIDC, "access.oidc"),
        **dict.fromkeys(_PROXY, "access.proxy"),
        **dict.fromkeys(_AUTHORIZATION, "access.authorizationWebhook"),
        **{"token-auth-file": "access.tokens"},
        admission_control="admission.enable",
        enable_admission_plugins="admission.enable",
        disable_admission_plugins="admission.disable",
        admission_control_config_file="admission",
        secure_port="api.port",
        service_cluster_ip_range="network.serviceCidr",
        service_node_port_range="network.nodePortRange",
    ),
    "kube-controller-manager": _managed(
        """bind-address secure-port kubeconfig master authentication-kubeconfig authorization-kubeconfig
        allocate-node-cidrs cluster-signing-cert-file cluster-signing-key-file root-ca-file client-ca-file
        service-account-private-key-file use-service-account-credentials leader-elect cluster-name
        requestheader-client-ca-file tls-cert-file tls-private-key-file controllers
        cluster-signing-kubelet-client-cert-file cluster-signing-kubelet-client-key-file
        cluster-signing-kubelet-serving-cert-file cluster-signing-kubelet-serving-key-file
        cluster-signing-kube-apiserver-client-cert-file cluster-signing-kube-apiserver-client-key-file
        cluster-signing-legacy-unknown-cert-file cluster-signing-legacy-unknown-key-file version""",
        cluster_signing_duration="pki.signingLifetime",
        cluster_cidr="network.podCidr",
        node_cidr_mask_size="network.nodeCidrMaskSize",
        service_cluster_ip_range="network.serviceCidr",
    ),
    "kube-scheduler": _managed(
        """bind-address secure-port kubeconfig master config authentication-kubeconfig authorization-kubeconfig
        client-ca-file leader-elect requestheader-client-ca-file tls-cert-file tls-private-key-file
        write-config-to version"""
    ),
    "kubelet": _managed(
        """config config-dir kubeconfig bootstrap-kubeconfig cert-dir hostname-override node-ip
        root-dir cloud-provider runonce version""",
        node_labels="nodes[].labels",
    ),
    "etcd": _managed(
        """name config-file listen-client-urls listen-client-http-urls listen-peer-urls listen-metrics-urls
        advertise-client-urls initial-advertise-peer-urls initial-cluster initial-cluster-state initial-cluster-token
        force-new-cluster cert-file key-file client-cert-auth trusted-ca-file auto-tls enable-grpc-gateway
        peer-cert-file peer-key-file peer-client-cert-auth peer-trusted-ca-file peer-auto-tls discovery
        discovery-srv discovery-token discovery-endpoints strict-reconfig-check unsafe-no-fsync cors
        host-whitelist enable-pprof client-cert-file client-key-file peer-client-cert-file peer-client-key-file
        client-cert-allowed-hostname peer-cert-allowed-cn peer-cert-allowed-hostname
        peer-skip-client-san-verification""",
        data_dir="etcd.dataDir",
        wal_dir="etcd.walDir",
        heartbeat_interval="etcd.heartbeatInterval",
        election_timeout="etcd.electionTimeout",
        quota_backend_bytes="etcd.quotaBackendBytes",
        auto_compaction_mode="etcd.autoCompactionMode",
        auto_compaction_retention="etcd.autoCompactionRetention",
        snapshot_count="etcd.snapshotCount",
    ),
}

MANAGED_FIELDS: dict[str, dict[str, str]] = {
    "kubelet": _managed(
        """apiVersion kind address port readOnlyPort healthzPort healthzBindAddress authentication authorization
        clusterDNS containerRuntimeEndpoint cgroupDriver failCgroupV1 podCIDR rotateCertificates serverTLSBootstrap
        tlsCertFile tlsPrivateKeyFile staticPodPath staticPodURL staticPodURLHeader registerNode enableServer"""
    )
    | {"clusterDomain": "cluster.domain", "registerWithTaints": "nodes[].taints"},
    "kube-proxy": _managed("apiVersion kind clientConnection hostnameOverride healthzBindAddress metricsBindAddress")
    | {"mode": "network.proxyMode", "clusterCIDR": "network.podCidr"},
}

# A flag of the kubelet wins over the field, so no flag that is a field may be set.
MANAGED_FLAGS["kubelet"] |= {
    flag: MANAGED_FIELDS["kubelet"].get(field, f"extraConfig.kubelet.{field}") if field else ""
    for flag, field in kubelet_flags.FIELDS.items()
}
