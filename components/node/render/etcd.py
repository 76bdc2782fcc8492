"""An etcd member."""

from __future__ import annotations

from pathlib import Path

from components.config import Page
from components.config.ports import ETCD_CLIENT, ETCD_PEER
from components.node.model import ROOT, Directory, NodeFile, Part, Ref, Unit
from components.node.render.systemd import flags, service
from components.node.render.tls import CIPHER_SUITES
from components.topology import NodePlan, Topology

USER = "etcd"
SSL = "ssl/etcd"
INITIAL, FOUNDER, SCRIPT = "cfg/etcd-initial.env", "cfg/etcd-founder", "cfg/etcd-member.sh"
_SCRIPTS = Path(__file__).parents[1]


def etcd_member(page: Page, topology: Topology, node: NodePlan) -> Part:
    """The member on this node: client and peer traffic by mutual TLS only, plain HTTP only for health on loopback."""
    etcd, leaf = page.etcd, f"{node.name}-etcd"
    ssl = f"{ROOT}/{SSL}"
    own = {
        "name": node.name,
        "data-dir": etcd.data_dir,
        "listen-client-urls": f"https://{node.address}:2379,https://127.0.0.1:2379",
        "advertise-client-urls": f"https://{node.address}:2379",
        # With HTTP on the same port gRPC cannot end in order: a member that stops would break off every request that is
        # under way (embed/etcd.go, stopServers).
        "listen-client-http-urls": f"https://{node.address}:2381",
        "listen-peer-urls": f"https://{node.address}:2380",
        "listen-metrics-urls": "http://127.0.0.1:2381",
        "client-cert-auth": "true",
        "trusted-ca-file": f"{ssl}/ca.pem",
        "cert-file": f"{ssl}/server.pem",
        "key-file": f"{ssl}/server.key",
        "peer-client-cert-auth": "true",
        "peer-trusted-ca-file": f"{ssl}/ca.pem",
        "peer-cert-file": f"{ssl}/peer.pem",
        "peer-key-file": f"{ssl}/peer.key",
        "tls-min-version": "TLS1.2",
        "cipher-suites": ",".join(CIPHER_SUITES),
        # It would speak to its own server as a client, and a server's certificate has no business doing that.
        "enable-grpc-gateway": "false",
        "heartbeat-interval": str(etcd.heartbeat_interval),
        "election-timeout": str(etcd.election_timeout),
        "quota-backend-bytes": str(etcd.quota_backend_bytes),
        "auto-compaction-mode": etcd.auto_compaction_mode,
        "auto-compaction-retention": etcd.auto_compaction_retention,
        "snapshot-count": str(etcd.snapshot_count),
    }
    if etcd.wal_dir:
        own["wal-dir"] = etcd.wal_dir
    data = [path for path in (etcd.data_dir, etcd.wal_dir) if path]
    unit = service(
        description=f"etcd member {node.name}",
        documentation="https://etcd.io/docs/",
        command=[f"{ROOT}/bin/etcd", *flags(own, page.extra_args.etcd)],
        user=USER,
        writes=data,
        lines=[
            "Type=notify",
            f"EnvironmentFile={ROOT}/{INITIAL}",
            # Made for a member without data.
            "EnvironmentFile=-/run/etcd/cluster.env",
            "RuntimeDirectory=etcd",
            f"ExecStartPre={ROOT}/{SCRIPT} start",
            # As root: what it notes has to outlive the data.
            f"ExecStartPost=+{ROOT}/{SCRIPT} vote",
            "TimeoutStartSec=infinity",
        ],
    )
    return Part(
        files=(
            NodeFile(INITIAL, _initial(topology, node, etcd.data_dir, etcd.wal_dir)),
            NodeFile(FOUNDER, Ref(founder_material(node.name))),
            NodeFile(SCRIPT, (_SCRIPTS / "etcd_member.sh").read_text(), mode=0o755),
            asking(),
            NodeFile(f"{SSL}/ca.pem", Ref("etcd-ca:cert")),
            NodeFile(f"{SSL}/server.pem", Ref(f"{leaf}-server:cert")),
            NodeFile(f"{SSL}/server.key", Ref(f"{leaf}-server:key"), USER, 0o640),
            NodeFile(f"{SSL}/peer.pem", Ref(f"{leaf}-peer:cert")),
            NodeFile(f"{SSL}/peer.key", Ref(f"{leaf}-peer:key"), USER, 0o640),
        ),
        units=(
            Unit(
                "etcd.service",
                unit,
                # It reads certificates anew for each connection, but its list of authorities only once.
                restart_on=("etcd", f"{SSL}/ca.pem"),
                # It is active once it votes.
                health="systemctl is-active --quiet etcd.service && curl -fsS --max-time 2 http://127.0.0.1:2381/health",
                leave=f"{ROOT}/{SCRIPT} leave",
            ),
        ),
        artifacts=("etcd",),
        directories=tuple(Directory(path, USER, 0o700) for path in data),
        users=(USER,),
    )


def founder_material(node: str) -> str:
    """The name of what says whether a node's machine founds the cluster, `yes` or `no` (components/founders.py)."""
    return f"{node}-etcd:founder"


def asking() -> NodeFile:
    """Functions with which scripts ask members."""
    return NodeFile("cfg/etcd-functions", (_SCRIPTS / "etcd_ask.sh").read_text())


def _initial(topology: Topology, node: NodePlan, data: str, wal: str | None) -> str:
    """How a member starts for the first time. Nothing restarts for it: a growing cluster keeps its members running."""
    members = topology.etcd_nodes
    others = [member for member in members if member.name != node.name]
    values = {
        "ETCD_INITIAL_ADVERTISE_PEER_URLS": _peer(node),
        "ETCD_INITIAL_CLUSTER_TOKEN": topology.cluster_name,
        "MEMBER_NAME": node.name,
        "MEMBER_OWN": _client(node),
        "MEMBER_PEER": _peer(node),
        "MEMBER_DATA": data,
        "MEMBER_WAL": wal or f"{data}/member/wal",
        "MEMBER_ALL": " ".join(f"{member.name}={_peer(member)}" for member in members),
        "MEMBER_PEERS": " ".join(_peer(member) for member in others),
        "MEMBER_CLIENTS": " ".join(_client(member) for member in others),
    }
    return "".join(f'{name}="{value}"\n' for name, value in values.items())


def _peer(node: NodePlan) -> str:
    return f"https://{node.address}:{ETCD_PEER}"


def _client(node: NodePlan) -> str:
    return f"https://{node.address}:{ETCD_CLIENT}"


def etcdctl(command: str) -> str:
    """A shell command line that runs etcdctl as root on a member's machine, over loopback."""
    ssl = f"{ROOT}/{SSL}"
    credentials = f"--cacert={ssl}/ca.pem --cert={ssl}/peer.pem --key={ssl}/peer.key"
    return f"{ROOT}/bin/etcdctl --endpoints=https://127.0.0.1:2379 {credentials} {command}"
