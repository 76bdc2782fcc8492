"""TLS settings that every component of ours gets: 1.2 or newer, forward secrecy and authenticated encryption only."""

MIN_VERSION = "VersionTLS12"

CIPHER_SUITES = (
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
)
"""Suites of TLS 1.2 after Mozilla's intermediate profile; those of TLS 1.3 cannot be chosen in Go and are all good."""
