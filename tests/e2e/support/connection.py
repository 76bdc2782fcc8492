"""A connection to an HTTP/1.1 server, which sends one GET after the other.

For the probe, which has many requests under way if a server is slow. The requests are coroutines of one thread: with a
thread for each, the threads that wait for Python's lock keep a busy host from running anything else. Standard library
only.
"""

import asyncio
import ssl
from dataclasses import dataclass

_LIMIT = 2**20
"""Bytes of the longest line that a server may send."""
_WORDS = 200
"""Characters of an answer's body that a reader gets to see if the server refuses a request."""


class HungUpError(ConnectionResetError):
    """The server closed the connection and sent no answer."""


class NotHttpError(OSError):
    """The server sent something else than an answer of HTTP/1.1."""


@dataclass(frozen=True)
class Answer:
    """What the probe needs from an answer."""

    status: int
    closes: bool
    """Whether the server closes the connection after the answer."""
    retry_after: bool
    """Whether the answer says when to ask again."""
    words: str = ""
    """The beginning of the body if the status is 300 or more, in one line."""


class Connection:
    """A connection that opens with the first request. `timeout`: seconds to connect, and seconds to answer."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None, timeout: float) -> None:
        self._host, self._port, self._context, self._timeout = host, port, context, timeout
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    @property
    def is_open(self) -> bool:
        """Whether another request may be sent without a new connection."""
        return self._streams is not None

    def close(self) -> None:
        """Close the connection. The next request opens another one."""
        if self._streams:
            self._streams[1].transport.abort()
            self._streams = None

    async def get(self, path: str) -> Answer:
        """Send a GET, and read the whole answer. Raises OSError, or EOFError if the answer ends too early."""
        if self._streams is None:
            async with asyncio.timeout(self._timeout):
                self._streams = await self._open()
        reader, writer = self._streams
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n\r\n".encode())
        async with asyncio.timeout(self._timeout):
            answer = await _read(reader)
        if answer.closes:
            self.close()
        return answer

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        # The handshake has a limit of its own, whose error is another one than that of `timeout`: it has to be later.
        handshake = 2 * self._timeout if self._context else None
        return await asyncio.open_connection(
            self._host, self._port, ssl=self._context, limit=_LIMIT, ssl_handshake_timeout=handshake
        )


async def _read(reader: asyncio.StreamReader) -> Answer:
    first = await reader.readline()
    if not first:
        raise HungUpError
    try:
        version, status, *_ = first.decode("ascii").split()
        headers = await _read_headers(reader)
        closes = version != "HTTP/1.1" or headers.get("connection") == "close"
        if headers.get("transfer-encoding") == "chunked":
            body = await _read_chunks(reader)
        elif "content-length" in headers:
            body = await reader.readexactly(int(headers["content-length"]))
        else:
            body = await reader.read()
            closes = True
        words = " ".join(body[:_WORDS].decode("utf-8", "replace").split()) if int(status) >= 300 else ""
        return Answer(int(status), closes, "retry-after" in headers, words)
    except ValueError as error:
        raise NotHttpError(f"an answer that begins with {first[:40]!r}") from error


async def _read_headers(reader: asyncio.StreamReader) -> dict[str, str]:
    headers = {}
    while line := (await reader.readuntil(b"\n")).strip():
        name, _, value = line.decode("ascii").partition(":")
        headers[name.lower()] = value.strip().lower()
    return headers


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    chunks = []
    while length := int((await reader.readuntil(b"\n")).partition(b";")[0], 16):
        chunks.append((await reader.readexactly(length + 2))[:-2])
    await _read_headers(reader)
    return b"".join(chunks)
