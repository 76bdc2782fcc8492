"""TLS settings of every component: TLS 1.2 or newer, only forward secrecy and authenticated encryption."""

MIN_VERSION = "VersionTLS12"

CIPHER_SUITES = (
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
)
"""Suites of TLS 1.2, Mozilla's intermediate profile. Go lets no program choose suites of TLS 1.3; all are good."""
