"""Queries a DNS server for an A record, without the resolver of the host. Standard library only.

python -m tests.e2e.support.dns 10.96.0.10 kubernetes.default.svc.cluster.local
"""

import secrets
import socket
import struct
import sys
from collections.abc import Sequence

_A, _IN = 1, 1
_RECURSION_DESIRED = 0x0100
_HEADER = struct.Struct(">HHHHHH")


class DnsError(RuntimeError):
    """No address: the server did not answer, or answered with an error."""


def resolve(server: str, name: str, timeout: float = 1.0) -> list[str]:
    """IPv4 addresses of `name`. Sends one UDP packet and does not repeat it. Raises DnsError."""
    number = secrets.randbelow(1 << 16)
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
    question = labels + b"\0" + struct.pack(">HH", _A, _IN)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.settimeout(timeout)
        try:
            channel.connect((server, 53))
            channel.send(_HEADER.pack(number, _RECURSION_DESIRED, 1, 0, 0, 0) + question)
            answer = channel.recv(4096)
        except OSError as error:
            raise DnsError(f"{server}: {error}") from error
    return _addresses(answer, number, name, server)


def _addresses(answer: bytes, number: int, name: str, server: str) -> list[str]:
    their_number, flags, questions, answers, _, _ = _HEADER.unpack_from(answer)
    if their_number != number or flags & 0x000F:
        raise DnsError(f"{server}: {name}: response code {flags & 0x000F}")
    at = _HEADER.size
    for _ in range(questions):
        at = _after_name(answer, at) + 4
    found = []
    for _ in range(answers):
        at = _after_name(answer, at)
        kind, _, _, length = struct.unpack_from(">HHIH", answer, at)
        at += 10
        if kind == _A:
            found.append(socket.inet_ntoa(answer[at : at + length]))
        at += length
    return found


def _after_name(message: bytes, at: int) -> int:
    while message[at]:
        if message[at] >= 0xC0:  # a pointer to the rest of the name
            return at + 2
        at += message[at] + 1
    return at + 1


def main(arguments: Sequence[str]) -> int:
    """Print the addresses. If there are none, print the reason and return 1."""
    if len(arguments) != 2:
        print("usage: python -m tests.e2e.support.dns SERVER NAME", file=sys.stderr)
        return 2
    try:
        addresses = resolve(*arguments)
    except DnsError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(addresses))
    return 0 if addresses else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
