"""Network policies that are enforced, by kube-network-policies beside the network plugin.

`node.py` is what a node has, `objects.py` what the cluster has. https://github.com/kubernetes-sigs/kube-network-policies
"""
