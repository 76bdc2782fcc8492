"""Snapshots of etcd, and restores of a cluster that has lost its data, its control plane, or all machines."""
