"""Names on which the program in the cluster and the script on a node have to agree."""

TABLE = "kube-network-policies"
"""The nftables table, in the family inet, that kube-network-policies makes and replaces as a whole."""
CHAIN = "postrouting"
"""The chain with the rules of the program. It is there if the last set of rules was accepted by the kernel."""
QUEUE = 98
"""The queue of netfilter (NFQUEUE) from which the program reads new connections, as in upstream's manifest."""
