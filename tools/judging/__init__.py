"""What the judges from outside have in common: kube-bench and the conformance tests of Kubernetes."""
