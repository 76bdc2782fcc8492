"""Fills a mirror: the folder from which nodes get programs by digest, and images as from a registry."""
