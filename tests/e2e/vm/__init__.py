"""A virtual machine with a kernel of its own, as the only host of a cluster."""
