"""The API server, the controller-manager and the scheduler of a control-plane node."""

from __future__ import annotations

from dataclasses import replace

from components.config import Page
from components.config.durations import hours
from components.node.model import GENERATIONS, ROOT, Directory, NodeFile, NodePart, Ref, Unit
from components.node.render import etcd_proxy
from components.node.render.admission import admission, admission_flags
from components.node.render.api_policies import AUDIT
from components.node.render.authentication import authentication
from components.node.render.haproxy import OWN_SERVER, kubernetes_ca, kubernetes_ca_path
from components.node.render.outside import CLIENT, flags_for_services, settings_for_services
from components.node.render.probe import CURL
from components.node.render.sizing import sized
from components.node.render.systemd import credential, flags, service
from components.node.render.tls import CIPHER_SUITES, MIN_VERSION
from components.pki.kubeconfig import by_files
from components.pki.leaves import PROXY_USER
from components.pki.names import (
    ENCRYPTION_CONFIG,
    SERVICE_ACCOUNT_PUBLIC_KEYS,
    SERVICE_ACCOUNT_SIGNING_KEY,
    STATIC_TOKENS,
    certificate_of,
    key_of,
    signing_certificate,
    signing_key,
    trust_bundle,
)
from components.topology import NodePlan, Topology

API_SERVER, CONTROLLER_MANAGER, SCHEDULER = "kube-apiserver", "kube-controller-manager", "kube-scheduler"
REFERENCE = "https://kubernetes.io/docs/reference/command-line-tools-reference"
TOKENS = f"ssl/{API_SERVER}/tokens.csv"
SHUTDOWN_DELAY_SECONDS = 6
"""How long an API server continues to serve after /readyz has begun to fail. Proxies stop using it within 2.5 s."""

_KUBECONFIG = "kubeconfig"
_TLS = {"tls-min-version": MIN_VERSION, "tls-cipher-suites": ",".join(CIPHER_SUITES)}


def api_server(page: Page, topology: Topology, node: NodePlan) -> NodePart:
    """The API server of this node. It reloads its certificates, and the bundles with which it verifies clients."""
    ssl = f"ssl/{API_SERVER}"
    at = f"{ROOT}/{ssl}"
    log = f"{ROOT}/log/{API_SERVER}"
    own = _TLS | {
        **sized(page, API_SERVER),
        "advertise-address": node.address,
        "secure-port": str(topology.api_port),
        "tls-cert-file": f"{at}/server.pem",
        "tls-private-key-file": f"{at}/server.key",
        "client-ca-file": f"{ROOT}/ssl/kubernetes-ca.pem",
        "authentication-config": f"{ROOT}/cfg/authentication.yaml",
        **flags_for_services(page),
        **_people(page),
        "enable-bootstrap-token-auth": "true",
        **admission_flags(page),
        "admission-control-config-file": f"{ROOT}/cfg/admission.yaml",
        "allow-privileged": "true",
        "audit-policy-file": f"{ROOT}/cfg/audit-policy.yaml",
        "audit-log-path": f"{log}/audit.log",
        "audit-log-maxage": "30",
        "audit-log-maxbackup": "10",
        "audit-log-maxsize": "100",
        "encryption-provider-config": f"{ROOT}/cfg/encryption.json",
        "etcd-servers": etcd_proxy.URL,
        "etcd-cafile": f"{at}/etcd-ca.pem",
        "etcd-certfile": f"{at}/etcd-client.pem",
        "etcd-keyfile": f"{at}/etcd-client.key",
        "kubelet-certificate-authority": f"{ROOT}/ssl/kubernetes-ca.pem",
        "kubelet-client-certificate": f"{at}/kubelet-client.pem",
        "kubelet-client-key": f"{at}/kubelet-client.key",
        "kubelet-preferred-address-types": "InternalIP,Hostname",
        "proxy-client-cert-file": f"{at}/front-proxy-client.pem",
        "proxy-client-key-file": f"{at}/front-proxy-client.key",
        "requestheader-client-ca-file": f"{at}/front-proxy-ca.pem",
        "service-account-issuer": f"https://kubernetes.default.svc.{topology.domain}",
        "service-account-key-file": f"{at}/service-account.pub",
        "service-account-signing-key-file": f"{at}/service-account.key",
        # Tokens in pods end after an hour instead of a year. Kubelets renew them, and client libraries read them again.
        "service-account-extend-token-expiration": "false",
        "service-cluster-ip-range": str(page.network.service_cidr),
        "service-node-port-range": page.network.node_port_range,
        "profiling": "false",
        "shutdown-delay-duration": f"{SHUTDOWN_DELAY_SECONDS}s",
        "shutdown-send-retry-after": "true",
        # One in a thousand HTTP/2 requests closes its connection, so that a restarted server gets clients again.
        "goaway-chance": ".001",
    }
    leaves = {
        "server": f"{node.name}-apiserver",
        "etcd-client": f"{node.name}-apiserver-etcd-client",
        "kubelet-client": f"{node.name}-apiserver-kubelet-client",
        "front-proxy-client": f"{node.name}-front-proxy-client",
        **({CLIENT: f"{node.name}-apiserver-webhook-client"} if page.webhooks else {}),
    }
    settings = {
        "authentication.yaml": authentication(page.access.oidc),
        "admission.yaml": admission(page),
        "audit-policy.yaml": AUDIT,
    }
    services = settings_for_services(page, at)
    tokens = [NodeFile(TOKENS, Ref(STATIC_TOKENS), 0o600, API_SERVER)] if page.access.tokens else []
    unit = service(
        description="Kubernetes API server",
        documentation=f"{REFERENCE}/{API_SERVER}/",
        command=[f"{ROOT}/bin/{API_SERVER}", *flags(own, page.extra_args.kube_apiserver)],
        after=["etcd.service", etcd_proxy.UNIT],
        wants=[etcd_proxy.UNIT],
        user=API_SERVER,
        writes=[log],
        # The server ends only after the shutdown delay and after its present requests (60 s at most).
        lines=["Type=notify", "TimeoutStartSec=infinity", "TimeoutStopSec=90"],
    )
    return NodePart(
        files=(
            *(NodeFile(f"cfg/{name}", text) for name, text in settings.items()),
            NodeFile("cfg/encryption.json", Ref(ENCRYPTION_CONFIG), 0o600, API_SERVER),
            *(NodeFile(path, text) for path, text in services.items()),
            *tokens,
            kubernetes_ca(),
            NodeFile(f"{ssl}/etcd-ca.pem", Ref(trust_bundle("etcd"))),
            NodeFile(f"{ssl}/front-proxy-ca.pem", Ref(trust_bundle("front-proxy"))),
            NodeFile(f"{ssl}/service-account.pub", Ref(SERVICE_ACCOUNT_PUBLIC_KEYS)),
            NodeFile(f"{ssl}/service-account.key", Ref(SERVICE_ACCOUNT_SIGNING_KEY), 0o600, API_SERVER),
            *(pair for name, leaf in leaves.items() for pair in _pair(f"{ssl}/{name}", leaf, API_SERVER)),
        ),
        units=(
            Unit(
                f"{API_SERVER}.service",
                unit,
                restart_on=(
                    API_SERVER,
                    *(f"cfg/{name}" for name in settings),
                    "cfg/encryption.json",
                    *services,
                    *(file.path for file in tokens),
                    # The API server also verifies kubelets with this bundle.
                    kubernetes_ca().path,
                    f"{ssl}/etcd-ca.pem",
                    f"{ssl}/service-account.pub",
                    f"{ssl}/service-account.key",
                    # A server reads some keys and bundles again only after a minute, and publishes an old bundle for
                    # aggregated APIs until then. So every server restarts in every step of a rotation.
                    GENERATIONS,
                ),
                # The next programs on this node are as new as this server and must not use an older server. So the
                # server is healthy only when the proxy of the node uses it again.
                health=_https_health(topology.api_port, "/readyz")
                + f" && {CURL} --unix-socket {OWN_SERVER} http://localhost/",
                shows=(f"127.0.0.1:{topology.api_port}", f"{ssl}/server.pem"),
            ),
        ),
        artifacts=(API_SERVER,),
        directories=(Directory(log, API_SERVER, 0o750),),
        users=(API_SERVER,),
    )


def _people(page: Page) -> dict[str, str]:
    """Flags for aggregated APIs, for proxies that log people in, and for static tokens.

    The same flags say whom API servers believe, and how they speak to aggregated APIs, which read the flags from a
    ConfigMap. So the headers of the latter come first, and stay.
    """
    proxy = page.access.proxy
    names = [f"{PROXY_USER}{name}" for name in proxy.names] if proxy else []
    more = (proxy.username_headers, proxy.group_headers, proxy.extra_header_prefixes) if proxy else ((), (), ())
    usernames, groups, extra = more
    return {
        # Without this list, each certificate of the authority would make its holder everybody.
        "requestheader-allowed-names": ",".join(["front-proxy-client", *names]),
        "requestheader-extra-headers-prefix": ",".join(["X-Remote-Extra-", *extra]),
        "requestheader-group-headers": ",".join(["X-Remote-Group", *groups]),
        "requestheader-username-headers": ",".join(["X-Remote-User", *usernames]),
        **({"token-auth-file": f"{ROOT}/{TOKENS}"} if page.access.tokens else {}),
    }


def controller_manager(page: Page, topology: Topology, node: NodePlan) -> NodePart:
    """The controller-manager of this node: it alone holds the key of the kubernetes authority, to sign CSRs.

    Its signer reads exactly one certificate, the one of its key. While a single generation of the authority is trusted,
    that is the trust bundle; otherwise the certificate is a file of its own.
    """
    ssl = f"ssl/{CONTROLLER_MANAGER}"
    at = f"{ROOT}/{ssl}"
    signing = kubernetes_ca()
    if not page.pki.generations.kubernetes.is_single:
        signing = NodeFile(f"{ssl}/kubernetes-ca.pem", Ref(signing_certificate("kubernetes")))
    published = kubernetes_ca_path(page)
    own = _flags_of_client(page, CONTROLLER_MANAGER) | {
        "allocate-node-cidrs": "true",
        "cluster-cidr": str(page.network.pod_cidr),
        "node-cidr-mask-size": str(page.network.node_cidr_mask_size),
        "cluster-name": topology.cluster_name,
        "cluster-signing-cert-file": f"{ROOT}/{signing.path}",
        "cluster-signing-key-file": f"{at}/kubernetes-ca.key",
        "cluster-signing-duration": f"{hours(page.pki.signing_lifetime)}h",
        "controllers": "*,tokencleaner",
        # Every namespace gets this file, for programs in pods.
        "root-ca-file": f"{ROOT}/{published.path}",
        "service-account-private-key-file": f"{at}/service-account.key",
        "service-cluster-ip-range": str(page.network.service_cidr),
        "use-service-account-credentials": "true",
    }
    part = _api_client(topology, node, CONTROLLER_MANAGER, 10257, flags(own, page.extra_args.kube_controller_manager))
    keys = (
        NodeFile(f"{ssl}/kubernetes-ca.key", Ref(signing_key("kubernetes")), 0o600, CONTROLLER_MANAGER),
        NodeFile(f"{ssl}/service-account.key", Ref(SERVICE_ACCOUNT_SIGNING_KEY), 0o600, CONTROLLER_MANAGER),
    )
    (unit,) = part.units
    more = (*(file for file in (signing, published) if file not in part.files), *keys)
    restart_on = dict.fromkeys((*unit.restart_on, *(file.path for file in more)))
    return replace(part, files=(*part.files, *more), units=(replace(unit, restart_on=tuple(restart_on)),))


def scheduler(page: Page, topology: Topology, node: NodePlan) -> NodePart:
    """The scheduler of this node."""
    own = _flags_of_client(page, SCHEDULER)
    return _api_client(topology, node, SCHEDULER, 10259, flags(own, page.extra_args.kube_scheduler))


def _flags_of_client(page: Page, component: str) -> dict[str, str]:
    """Flags of a component of which one copy works, with its kubeconfig.

    It serves health and metrics on loopback, with a certificate that it reloads.
    """
    at, kubeconfig = f"{ROOT}/ssl/{component}", credential(component, _KUBECONFIG)
    return _TLS | {
        **sized(page, component),
        "kubeconfig": kubeconfig,
        "authentication-kubeconfig": kubeconfig,
        "authorization-kubeconfig": kubeconfig,
        "client-ca-file": f"{ROOT}/ssl/kubernetes-ca.pem",
        "tls-cert-file": f"{at}/server.pem",
        "tls-private-key-file": f"{at}/server.key",
        "bind-address": "127.0.0.1",
        "leader-elect": "true",
        "profiling": "false",
    }


def _api_client(topology: Topology, node: NodePlan, component: str, port: int, arguments: list[str]) -> NodePart:
    """The common part of controller-manager and scheduler: both use only the API, through the proxy of the node."""
    at, path = f"{ROOT}/ssl/{component}", f"cfg/{component}.kubeconfig"
    kubeconfig = by_files(
        cluster=topology.cluster_name,
        server=topology.node_local_url,
        user=f"system:{component}",
        ca=f"{ROOT}/ssl/kubernetes-ca.pem",
        cert=f"{at}/client.pem",
        key=f"{at}/client.key",
    )
    unit = service(
        description=f"Kubernetes {component.removeprefix('kube-')}",
        documentation=f"{REFERENCE}/{component}/",
        command=[f"{ROOT}/bin/{component}", *arguments],
        after=["kubernetes-api-proxy.service"],
        wants=["kubernetes-api-proxy.service"],
        user=component,
        credentials={_KUBECONFIG: f"{ROOT}/{path}"},
    )
    return NodePart(
        files=(
            NodeFile(path, kubeconfig, 0o600),
            kubernetes_ca(),
            *_pair(f"ssl/{component}/client", f"{node.name}-{component}", component),
            *_pair(f"ssl/{component}/server", f"{node.name}-{component}-server", component),
        ),
        units=(
            Unit(
                f"{component}.service",
                unit,
                restart_on=(component, path, kubernetes_ca().path),
                health=_https_health(port, "/healthz"),
                shows=(f"127.0.0.1:{port}", f"ssl/{component}/server.pem"),
            ),
        ),
        artifacts=(component,),
        users=(component,),
    )


def _pair(path: str, leaf: str, reader: str) -> tuple[NodeFile, NodeFile]:
    """A certificate and its key, which only root and `reader` may read."""
    return (
        NodeFile(f"{path}.pem", Ref(certificate_of(leaf))),
        NodeFile(f"{path}.key", Ref(key_of(leaf)), 0o600, reader),
    )


def _https_health(port: int, path: str) -> str:
    return f"{CURL} --cacert {ROOT}/ssl/kubernetes-ca.pem https://127.0.0.1:{port}{path}"
