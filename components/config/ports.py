"""Ports on a node that the cluster itself uses. Sources: Kubernetes "Ports and Protocols" and etcd's documentation."""

SSH = 22
ETCD_CLIENT = 2379
ETCD_PEER = 2380
ETCD_HTTP = 2381
"""Health of a member: with mutual TLS at its address, and with its metrics in plain HTTP on 127.0.0.1."""
KUBELET_HEALTH = 10248
PROXY_METRICS = 10249
KUBELET = 10250
POLICY_METRICS = 10251
"""Metrics of kube-network-policies on 127.0.0.1. Schedulers of old versions had the port."""
PROXY_HEALTH = 10256
CONTROLLER_MANAGER = 10257
SCHEDULER = 10259
ETCD_PROXY = 12379
"""haproxy on 127.0.0.1 of a control-plane node, in front of all members of etcd."""
NODE_LOCAL_API = 16443
"""haproxy on 127.0.0.1 of every node, in front of all API servers."""

RESERVED: dict[range, str] = {
    range(SSH, SSH + 1): "SSH",
    range(ETCD_CLIENT, ETCD_HTTP + 1): "etcd",
    range(KUBELET_HEALTH, SCHEDULER + 1): "kubelet, kube-proxy, controller manager and scheduler",
    range(ETCD_PROXY, ETCD_PROXY + 1): "the API server's proxy to etcd",
    range(NODE_LOCAL_API, NODE_LOCAL_API + 1): "the node's proxy to the API",
}
