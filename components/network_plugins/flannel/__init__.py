"""flannel: each node has a subnet of the pod network, and flanneld makes the routes between these subnets.

https://github.com/flannel-io/flannel/tree/master/Documentation
"""
