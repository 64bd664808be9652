"""Requests out of a stream of bytes: arrays of bulk strings, and lines typed by hand.

Two readers share the work. `hiredis` (C) takes what is plain: a chunk of whole requests. It reads
*replies*, though, and must not see what a stranger may send: it allocates whatever count a header
names, knows no bounds, cannot read inline commands, and does not say where it stopped. Everything
else goes to the exact reader below, which is incremental (a byte at a time costs no more than at
once), bounded, and gives the complaints of Redis (networking.c, processMultibulkBuffer and
processInlineBuffer) in its words.

One leniency remains: in a whole chunk an argument may also be a simple string (`+`), a big number
or a verbatim string of version 3; Redis takes bulk strings only. Looking for them costs more than
reading.

How it is known that a chunk was whole: a request of random bytes is fed behind it, and only a
reader that stood between two requests gives it back.
"""

import re
import secrets
from typing import Final

import hiredis

from dynakv import limits

Request = list[bytes]

# A header with that many digits may cost memory before anything was sent. Most often it is part of
# a value, and the exact reader finds that out.
_SUSPICIOUS: Final = re.compile(rb"\*\d{6}").search
_MARK: Final = secrets.token_bytes(8)
_MARK_REQUEST: Final = b"*1\r\n$8\r\n" + _MARK + b"\r\n"
_MARKED: Final = [_MARK]

_ARRAY, _BULK = ord("*"), ord("$")
_TYPED = re.compile(rb"-?\d{1,19}\Z").match
_SPACES: Final = b" \n\r\t\v\f\0"
_ESCAPES: Final = {
    ord("n"): b"\n",
    ord("r"): b"\r",
    ord("t"): b"\t",
    ord("b"): b"\b",
    ord("a"): b"\a",
}
_HEX: Final = re.compile(rb"[0-9a-fA-F]{2}").match


class RequestReader:
    """Cuts one connection's bytes into requests.

    After `error` is set the stream cannot be followed any more: say it and close.
    """

    __slots__ = (
        "_arguments",
        "_buffer",
        "_held",
        "_hiredis",
        "_length",
        "_missing",
        "_needed",
        "error",
    )

    def __init__(self) -> None:
        """Begin between two requests."""
        self._hiredis = hiredis.Reader()
        self._buffer = bytearray()  # not yet understood; begins with a header or a bulk's bytes
        self._arguments: Request = []  # of the request under way
        self._held = 0  # their bytes
        self._missing = 0  # arguments it still lacks
        self._length = -1  # of the bulk under way; -1: its header comes next
        self._needed = 0  # bytes in the buffer below which nothing new can be understood
        self.error: str | None = None

    def feed(self, data: bytes) -> list[Request]:
        """Return the requests that are complete now, in order."""
        if self._missing or self._buffer:
            return self._exact(data)
        if not data.startswith(b"*") or _SUSPICIOUS(data):
            return self._exact(data)
        cut = len(data)
        if not data.endswith(b"\r\n"):
            cut = data.rfind(b"\r\n*") + 2
        requests = self._plain(data if cut == len(data) else data[:cut]) if cut > 2 else None
        if requests is None:
            return self._exact(data)
        if cut < len(data):
            requests += self._exact(data[cut:])
        return requests

    def _plain(self, data: bytes) -> list[Request] | None:
        """Return the requests of a chunk that is whole and well-formed, else None."""
        reader = self._hiredis
        reader.feed(data)
        reader.feed(_MARK_REQUEST)
        requests: list[Request] = []
        gets = reader.gets
        join = b"".join
        try:
            while (request := gets()) is not False:
                requests.append(request)
            if requests and requests.pop() == _MARKED:
                join(map(join, requests))  # raises for whatever is no list of bytes
                return requests
        except (hiredis.ProtocolError, TypeError):
            pass
        self._hiredis = hiredis.Reader()  # the old one stands somewhere inside
        return None

    # --- the exact reader --------------------------------------------------------------------

    def _exact(self, data: bytes) -> list[Request]:
        buffer = self._buffer
        buffer += data
        requests: list[Request] = []
        if len(buffer) < self._needed:
            return requests
        position = 0
        while self.error is None:
            before = position
            if not self._missing:
                position = self._begin(position, requests)
            elif self._length < 0:
                position = self._header(position)
            else:
                position = self._bulk(position, requests)
            if position == before:
                break
        del buffer[:position]
        self._needed = max(self._needed - position, 0)
        return requests

    def _line(self, position: int, bytes_max: int, complaint: str) -> bytes | None:
        """Return the line up to a line feed, or None until it is whole."""
        end = self._buffer.find(b"\n", position, position + bytes_max)
        if end >= 0:
            return bytes(self._buffer[position:end])
        if len(self._buffer) - position >= bytes_max:
            self.error = complaint
        return None

    def _begin(self, position: int, requests: list[Request]) -> int:
        """Read the header of an array, or a whole inline command."""
        if position >= len(self._buffer):
            self._needed = 0
            return position
        if self._buffer[position] != _ARRAY:
            return self._inline(position, requests)
        line = self._line(position, limits.RESP_HEADER_BYTES_MAX, "too big mbulk count string")
        if line is None:
            return position
        count = _number(line[1:])
        if count is None or count > limits.RESP_ARGUMENTS_MAX:
            self.error = "invalid multibulk length"
            return position
        self._arguments = []
        self._held = 0
        self._missing = max(count, 0)
        self._length = -1
        return position + len(line) + 1

    def _inline(self, position: int, requests: list[Request]) -> int:
        line = self._line(position, limits.RESP_INLINE_BYTES_MAX, "too big inline request")
        if line is None:
            return position
        arguments = split_inline(line.removesuffix(b"\r"))
        if arguments is None:
            self.error = "unbalanced quotes in request"
            return position
        if arguments:
            requests.append(arguments)
        return position + len(line) + 1

    def _header(self, position: int) -> int:
        """Read the length of a bulk string."""
        buffer = self._buffer
        if position >= len(buffer):
            return position
        if buffer[position] != _BULK:
            self.error = f"expected '$', got '{_character(buffer[position])}'"
            return position
        line = self._line(position, limits.RESP_HEADER_BYTES_MAX, "too big bulk count string")
        if line is None:
            return position
        length = _number(line[1:])
        if length is None or not 0 <= length <= limits.RESP_BULK_BYTES_MAX:
            self.error = "invalid bulk length"
            return position
        self._held += length
        if self._held > limits.RESP_REQUEST_BYTES_MAX:
            self.error = f"request is larger than {limits.RESP_REQUEST_BYTES_MAX} bytes"
            return position
        self._length = length
        return position + len(line) + 1

    def _bulk(self, position: int, requests: list[Request]) -> int:
        end = position + self._length
        if len(self._buffer) < end + 2:
            self._needed = end + 2
            return position
        self._arguments.append(bytes(self._buffer[position:end]))
        self._length = -1
        self._missing -= 1
        if not self._missing:
            requests.append(self._arguments)
            self._arguments = []
        return end + 2


def split_inline(line: bytes) -> Request | None:
    """Return the arguments of a line as a shell would cut it; None where a quote does not end.

    The rules of sdssplitargs in Redis: "..." knows backslash escapes, '...' only \\', and a
    closing quote must be followed by a space or the end.
    """
    arguments: Request = []
    position, end = 0, len(line)
    while True:
        while position < end and line[position] in _SPACES:
            position += 1
        if position >= end:
            return arguments
        taken = _argument(line, position)
        if taken is None:
            return None
        argument, position = taken
        arguments.append(argument)


def _argument(line: bytes, position: int) -> tuple[bytes, int] | None:
    argument = bytearray()
    end = len(line)
    while position < end and line[position] not in _SPACES:
        quote = line[position]
        if quote not in b"\"'":
            argument.append(quote)
            position += 1
            continue
        position += 1
        while position < end and line[position] != quote:
            position += _quoted(line, position, quote, argument)
        position += 1
        if position > end or (position < end and line[position] not in _SPACES):
            return None
        break
    return bytes(argument), position


def _quoted(line: bytes, position: int, quote: int, argument: bytearray) -> int:
    """Append one character inside quotes; return how many bytes it took."""
    if line[position] != ord("\\") or position + 1 >= len(line):
        argument.append(line[position])
        return 1
    following = line[position + 1]
    if quote == ord("'"):
        argument.append(following if following == quote else line[position])
        return 2 if following == quote else 1
    if following == ord("x") and _HEX(line, position + 2):
        argument.append(int(line[position + 2 : position + 4], 16))
        return 4
    argument += _ESCAPES.get(following, bytes((following,)))
    return 2


def _number(line: bytes) -> int | None:
    digits = line.removesuffix(b"\r")
    return int(digits) if _TYPED(digits) else None


def _character(byte: int) -> str:
    return chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}"
