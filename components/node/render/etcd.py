"""An etcd member."""

from __future__ import annotations

from components.config import Page
from components.config.ports import ETCD_CLIENT, ETCD_PEER
from components.node.model import ROOT, Directory, NodeFile, NodePart, Ref, Unit
from components.node.render.probe import CURL
from components.node.render.systemd import flags, service
from components.node.render.tls import CIPHER_SUITES
from components.node.scripts import text
from components.pki.names import certificate_of, key_of, trust_bundle
from components.topology import NodePlan, Topology

USER = "etcd"
SSL = "ssl/etcd"
INITIAL, FOUNDER, SCRIPT = "cfg/etcd-initial.env", "cfg/etcd-founder", "cfg/etcd-member.sh"


def etcd_member(page: Page, topology: Topology, node: NodePlan) -> NodePart:
    """The member on this node: client and peer traffic by mutual TLS only, plain HTTP only for health on loopback."""
    etcd, leaf = page.etcd, f"{node.name}-etcd"
    ssl = f"{ROOT}/{SSL}"
    own = {
        "name": node.name,
        "data-dir": etcd.data_dir,
        "listen-client-urls": f"https://{node.address}:2379,https://127.0.0.1:2379",
        "advertise-client-urls": f"https://{node.address}:2379",
        # If gRPC and HTTP share a port, then a member that stops breaks off all present requests (embed/etcd.go,
        # stopServers).
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
        # The gateway would connect to its own server with the serving certificate, which is no client certificate.
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
    if page.extra_args.etcd.get("tls-min-version") == "TLS1.3":
        # etcd refuses suites that nobody can choose (Validate in embed/config.go).
        del own["cipher-suites"]
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
            # The script writes this file for a member without data.
            "EnvironmentFile=-/run/etcd/cluster.env",
            "RuntimeDirectory=etcd",
            # As root: the data of before has to stay, and the machine has to remember the restore without its data.
            *([f"ExecStartPre=+/bin/sh {ROOT}/current/restore.sh member"] if page.restore else []),
            f"ExecStartPre={ROOT}/{SCRIPT} start",
            # As root: the file that the script writes has to outlive the data.
            f"ExecStartPost=+{ROOT}/{SCRIPT} vote",
            "TimeoutStartSec=infinity",
        ],
    )
    return NodePart(
        files=(
            NodeFile(INITIAL, _initial(topology, node, etcd.data_dir, etcd.wal_dir)),
            NodeFile(FOUNDER, Ref(initial_member_material(node.name))),
            NodeFile(SCRIPT, text("etcd_member"), mode=0o755),
            asking(),
            NodeFile(f"{SSL}/ca.pem", Ref(trust_bundle("etcd"))),
            NodeFile(f"{SSL}/server.pem", Ref(certificate_of(f"{leaf}-server"))),
            NodeFile(f"{SSL}/server.key", Ref(key_of(f"{leaf}-server")), 0o600, USER),
            NodeFile(f"{SSL}/peer.pem", Ref(certificate_of(f"{leaf}-peer"))),
            NodeFile(f"{SSL}/peer.key", Ref(key_of(f"{leaf}-peer")), 0o600, USER),
        ),
        units=(
            Unit(
                "etcd.service",
                unit,
                # etcd reads its certificates for each connection, but its trust bundle only at its start.
                restart_on=("etcd", f"{SSL}/ca.pem"),
                # The unit is active when the member votes.
                health=f"systemctl is-active --quiet etcd.service && {CURL} http://127.0.0.1:2381/health",
                leave=f"{ROOT}/{SCRIPT} leave",
                shows=("127.0.0.1:2379", f"{SSL}/server.pem"),
            ),
        ),
        artifacts=("etcd",),
        directories=tuple(Directory(path, USER, 0o700) for path in data),
        users=(USER,),
        commands=("openssl",),
    )


def initial_member_material(node: str) -> str:
    """The name of the material that says whether a node's machine is an initial member: rollout/initial_members.py."""
    return f"{node}-etcd:founder"


def asking() -> NodeFile:
    """Shell functions that send requests to members."""
    return NodeFile("cfg/etcd-functions", text("etcd_ask"))


def _initial(topology: Topology, node: NodePlan, data: str, wal: str | None) -> str:
    """How a member starts for the first time. A change restarts nothing: members of a growing cluster keep running."""
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
    """A shell command line that runs etcdctl as root on a member's machine, over loopback and through no proxy."""
    ssl = f"{ROOT}/{SSL}"
    credentials = f"--cacert={ssl}/ca.pem --cert={ssl}/peer.pem --key={ssl}/peer.key"
    return f"NO_PROXY=* {ROOT}/bin/etcdctl --endpoints=https://127.0.0.1:2379 {credentials} {command}"
