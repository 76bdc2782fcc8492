"""The local cluster: five local machines. The files run in the order of their numbers."""
