"""Tries a TLS handshake with a given version and cipher, and prints the result. Standard library only.

    python -m tests.e2e.support.tls 127.0.0.1 6443 --version 1.1

Prints `ok VERSION CIPHER`, or `refused REASON`, where REASON is OpenSSL's name of the server's alert or of its own
error. The crypto policy of this host has no effect: the client offers what the arguments say.
"""

import argparse
import socket
import ssl
import sys
import warnings
from collections.abc import Sequence

VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}


def handshake(host: str, port: int, version: str, ciphers: str) -> str:
    """The result of one handshake. The certificate of the server is not verified."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = VERSIONS[version]
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    try:
        with socket.create_connection((host, port), timeout=5) as plain, context.wrap_socket(plain) as secure:
            cipher = secure.cipher()
            return f"ok {secure.version()} {cipher[0] if cipher else ''}"
    except ssl.SSLError as error:
        return f"refused {error.reason}"
    except OSError as error:
        return f"refused {error}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a program: print the result and return 0, also if the server refused the handshake."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.support.tls")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--version", choices=VERSIONS, default="1.2")
    parser.add_argument("--ciphers", default="ALL", help="OpenSSL's names (TLS 1.2 and older)")
    options = parser.parse_args(arguments)
    print(handshake(options.host, options.port, options.version, options.ciphers))
    return 0


if __name__ == "__main__":
    sys.exit(main())
