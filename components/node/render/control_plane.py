"""The API server, the controller-manager and the scheduler of a control-plane node."""

from __future__ import annotations

from dataclasses import replace

from components.config import Page
from components.node.model import ROOT, Directory, NodeFile, Part, Ref, Unit
from components.node.render import etcd_proxy
from components.node.render.api_policies import ADMISSION, AUDIT, AUTHENTICATION
from components.node.render.haproxy import OWN_SERVER, kubernetes_ca
from components.node.render.systemd import flags, service
from components.node.render.tls import CIPHER_SUITES, MIN_VERSION
from components.pki.kubeconfig import by_files
from components.topology import NodePlan, Topology

API_SERVER, CONTROLLER_MANAGER, SCHEDULER = "kube-apiserver", "kube-controller-manager", "kube-scheduler"
REFERENCE = "https://kubernetes.io/docs/reference/command-line-tools-reference"
SHUTDOWN_DELAY_SECONDS = 6
"""How long an API server serves on after it has said on /readyz that it goes: proxies leave it within 2.5 s."""

_TLS = {"tls-min-version": MIN_VERSION, "tls-cipher-suites": ",".join(CIPHER_SUITES)}


def api_server(page: Page, topology: Topology, node: NodePlan) -> Part:
    """The API server of this node. It reloads its own certificates, its authorities, and the kubelet client's."""
    ssl = f"ssl/{API_SERVER}"
    at = f"{ROOT}/{ssl}"
    log = f"{ROOT}/log/{API_SERVER}"
    own = _TLS | {
        "advertise-address": node.address,
        "secure-port": str(topology.api_port),
        "tls-cert-file": f"{at}/server.pem",
        "tls-private-key-file": f"{at}/server.key",
        "client-ca-file": f"{ROOT}/ssl/kubernetes-ca.pem",
        "authentication-config": f"{ROOT}/cfg/authentication.yaml",
        "authorization-mode": "Node,RBAC",
        "enable-bootstrap-token-auth": "true",
        "enable-admission-plugins": "NodeRestriction",
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
        "requestheader-allowed-names": "front-proxy-client",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-username-headers": "X-Remote-User",
        "service-account-issuer": f"https://kubernetes.default.svc.{topology.domain}",
        "service-account-key-file": f"{at}/service-account.pub",
        "service-account-signing-key-file": f"{at}/service-account.key",
        "service-cluster-ip-range": str(page.network.service_cidr),
        "service-node-port-range": page.network.node_port_range,
        "profiling": "false",
        "shutdown-delay-duration": f"{SHUTDOWN_DELAY_SECONDS}s",
        "shutdown-send-retry-after": "true",
        # One in a thousand HTTP/2 clients is asked to connect anew, so that load comes back to a restarted server.
        "goaway-chance": ".001",
    }
    leaves = {
        "server": f"{node.name}-apiserver",
        "etcd-client": f"{node.name}-apiserver-etcd-client",
        "kubelet-client": f"{node.name}-apiserver-kubelet-client",
        "front-proxy-client": f"{node.name}-front-proxy-client",
    }
    settings = {
        "authentication.yaml": AUTHENTICATION,
        "admission.yaml": ADMISSION,
        "audit-policy.yaml": AUDIT,
    }
    unit = service(
        description="Kubernetes API server",
        documentation=f"{REFERENCE}/{API_SERVER}/",
        command=[f"{ROOT}/bin/{API_SERVER}", *flags(own, page.extra_args.kube_apiserver)],
        after=["etcd.service", etcd_proxy.UNIT],
        wants=[etcd_proxy.UNIT],
        user=API_SERVER,
        writes=[log],
        # It leaves only after the shutdown delay and the requests that are under way (60 s at most).
        lines=["Type=notify", "TimeoutStartSec=infinity", "TimeoutStopSec=90"],
    )
    return Part(
        files=(
            *(NodeFile(f"cfg/{name}", text) for name, text in settings.items()),
            NodeFile("cfg/encryption.json", Ref("encryption-config"), API_SERVER, 0o640),
            kubernetes_ca(),
            NodeFile(f"{ssl}/etcd-ca.pem", Ref("etcd-ca:cert")),
            NodeFile(f"{ssl}/front-proxy-ca.pem", Ref("front-proxy-ca:cert")),
            NodeFile(f"{ssl}/service-account.pub", Ref("service-account:pub")),
            NodeFile(f"{ssl}/service-account.key", Ref("service-account:key"), API_SERVER, 0o640),
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
                    f"{ssl}/etcd-ca.pem",
                    f"{ssl}/service-account.pub",
                ),
                # What comes next on this node is as new as this server, so it must not meet an older one: healthy is
                # a server that the node's proxy uses again.
                health=_https_health(topology.api_port, "/readyz")
                + f" && curl -fsS --max-time 2 --unix-socket {OWN_SERVER} http://localhost/",
            ),
        ),
        artifacts=(API_SERVER,),
        directories=(Directory(log, API_SERVER, 0o750),),
        users=(API_SERVER,),
    )


def controller_manager(page: Page, topology: Topology, node: NodePlan) -> Part:
    """The controller-manager of this node: it alone holds the key of the kubernetes authority, to sign CSRs."""
    ssl = f"ssl/{CONTROLLER_MANAGER}"
    at = f"{ROOT}/{ssl}"
    kubeconfig = f"{ROOT}/cfg/{CONTROLLER_MANAGER}.kubeconfig"
    own = _serving(CONTROLLER_MANAGER) | {
        "kubeconfig": kubeconfig,
        "authentication-kubeconfig": kubeconfig,
        "authorization-kubeconfig": kubeconfig,
        "client-ca-file": f"{ROOT}/ssl/kubernetes-ca.pem",
        "allocate-node-cidrs": "true",
        "cluster-cidr": str(page.network.pod_cidr),
        "node-cidr-mask-size": str(page.network.node_cidr_mask_size),
        "cluster-name": topology.cluster_name,
        "cluster-signing-cert-file": f"{ROOT}/ssl/kubernetes-ca.pem",
        "cluster-signing-key-file": f"{at}/kubernetes-ca.key",
        "controllers": "*,tokencleaner",
        "leader-elect": "true",
        "root-ca-file": f"{ROOT}/ssl/kubernetes-ca.pem",
        "service-account-private-key-file": f"{at}/service-account.key",
        "service-cluster-ip-range": str(page.network.service_cidr),
        "use-service-account-credentials": "true",
        "profiling": "false",
    }
    part = _api_client(topology, node, CONTROLLER_MANAGER, 10257, flags(own, page.extra_args.kube_controller_manager))
    keys = (
        NodeFile(f"{ssl}/kubernetes-ca.key", Ref("kubernetes-ca:key"), CONTROLLER_MANAGER, 0o640),
        NodeFile(f"{ssl}/service-account.key", Ref("service-account:key"), CONTROLLER_MANAGER, 0o640),
    )
    (unit,) = part.units
    restart_on = (*unit.restart_on, "ssl/kubernetes-ca.pem", *(key.path for key in keys))
    return replace(part, files=(*part.files, *keys), units=(replace(unit, restart_on=restart_on),))


def scheduler(page: Page, topology: Topology, node: NodePlan) -> Part:
    """The scheduler of this node."""
    kubeconfig = f"{ROOT}/cfg/{SCHEDULER}.kubeconfig"
    own = _serving(SCHEDULER) | {
        "kubeconfig": kubeconfig,
        "authentication-kubeconfig": kubeconfig,
        "authorization-kubeconfig": kubeconfig,
        "client-ca-file": f"{ROOT}/ssl/kubernetes-ca.pem",
        "leader-elect": "true",
        "profiling": "false",
    }
    return _api_client(topology, node, SCHEDULER, 10259, flags(own, page.extra_args.kube_scheduler))


def _serving(component: str) -> dict[str, str]:
    """Flags of a component that serves health and metrics on loopback, with a certificate that it reloads."""
    at = f"{ROOT}/ssl/{component}"
    files = {"tls-cert-file": f"{at}/server.pem", "tls-private-key-file": f"{at}/server.key"}
    return _TLS | files | {"bind-address": "127.0.0.1"}


def _api_client(topology: Topology, node: NodePlan, component: str, port: int, arguments: list[str]) -> Part:
    """What controller-manager and scheduler have in common: both only talk to the API, by way of the node's proxy."""
    at = f"{ROOT}/ssl/{component}"
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
    )
    return Part(
        files=(
            NodeFile(f"cfg/{component}.kubeconfig", kubeconfig),
            kubernetes_ca(),
            *_pair(f"ssl/{component}/client", f"{node.name}-{component}", component),
            *_pair(f"ssl/{component}/server", f"{node.name}-{component}-server", component),
        ),
        units=(
            Unit(
                f"{component}.service",
                unit,
                restart_on=(component, f"cfg/{component}.kubeconfig"),
                health=_https_health(port, "/healthz"),
            ),
        ),
        artifacts=(component,),
        users=(component,),
    )


def _pair(path: str, leaf: str, group: str) -> tuple[NodeFile, NodeFile]:
    """A certificate and its key, which only root and `group` may read."""
    return NodeFile(f"{path}.pem", Ref(f"{leaf}:cert")), NodeFile(f"{path}.key", Ref(f"{leaf}:key"), group, 0o640)


def _https_health(port: int, path: str) -> str:
    return f"curl -fsS --max-time 2 --cacert {ROOT}/ssl/kubernetes-ca.pem https://127.0.0.1:{port}{path}"
