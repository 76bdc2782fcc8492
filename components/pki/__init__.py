"""The cluster's own certificate authorities, the leaves they sign, and what is known about each of them."""
