"""The judgement of kube-bench about a cluster: `make cis`."""
