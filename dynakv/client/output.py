"""How keys and values are written to stdout: for people, for programs, or as they are.

Bytes that are no UTF-8 stand in JSON under another name, `key_base64` and `value_base64`, so that
nothing is ever lost or guessed; `dynakv-cli batch` reads both.
"""

import base64
import json
import sys
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Final

from dynakv.client import texts
from dynakv.client.connection import Item, Value, Version

VALUE_CHARACTERS: Final = 60  # of a value in a table; json and raw show all of it
KEY_CHARACTERS: Final = 48  # what a table makes room for; a longer key pushes its line to the right


class Output(Enum):
    """How data is written to stdout."""

    TABLE = "table"
    JSON = "json"
    RAW = "raw"


def fields_of(
    key: bytes, value: bytes | None, version: Version | None, expires_at_ms: int
) -> dict[str, object]:
    """Return what JSON says of a key; no value where it is None."""
    found: dict[str, object] = _text_field("key", key)
    if value is not None:
        found |= _text_field("value", value)
    if version is not None:
        found["stamp"] = texts.stamp(version.time, version.writer)
    if expires_at_ms:
        found["expires_at_ms"] = expires_at_ms
    return found


def value_as_json(key: bytes, found: Value) -> bytes:
    """Return what a get found as one line of JSON."""
    fields = fields_of(key, found.value, found.version, found.expires_at_ms)
    return json.dumps(fields, ensure_ascii=False).encode() + b"\n"


def value_as_table(key: bytes, found: Value) -> bytes:
    """Return what a get found as lines of a name and what it is."""
    assert found.value is not None
    assert found.version is not None
    expires = texts.moment(found.expires_at_ms) if found.expires_at_ms else "never"
    rows = (
        ("key", texts.shown(key)),
        ("value", texts.shown(found.value)),
        ("bytes", f"{len(found.value):,}"),
        ("stamp", texts.stamp(found.version.time, found.version.writer)),
        ("expires", expires),
    )
    return "".join(f"{name:<8}{text}\n" for name, text in rows).encode()


class Lines:
    """Writes items in one form; a table keeps the widths of its first page."""

    def __init__(self, output: Output, *, keys_only: bool) -> None:
        self._output = output
        self._keys_only = keys_only
        self._width = 0

    def of(self, items: Sequence[Item]) -> bytes:
        """Return the lines of some items."""
        match self._output:
            case Output.TABLE:
                return "".join(self._rows(items)).encode()
            case Output.JSON:
                return "".join(map(self._json, items)).encode()
            case Output.RAW:
                return b"".join(map(self._raw, items))

    def _rows(self, items: Sequence[Item]) -> Iterator[str]:
        if not self._width:
            longest = max(len(texts.shown(item.key)) for item in items)
            self._width = max(3, min(longest, KEY_CHARACTERS))
            if not self._keys_only:
                yield f"{'KEY':<{self._width}}  {'EXPIRES':<24}  VALUE\n"
        for item in items:
            key = texts.shown(item.key)
            if self._keys_only:
                yield f"{key}\n"
                continue
            expires = texts.moment(item.expires_at_ms) if item.expires_at_ms else "-"
            value = texts.shortened(item.value, VALUE_CHARACTERS)
            yield f"{key:<{self._width}}  {expires:<24}  {value}".rstrip() + "\n"

    def _json(self, item: Item) -> str:
        value = None if self._keys_only else item.value
        fields = fields_of(item.key, value, item.version, item.expires_at_ms)
        return json.dumps(fields, ensure_ascii=False) + "\n"

    def _raw(self, item: Item) -> bytes:
        return item.key + b"\n" if self._keys_only else item.key + b"\t" + item.value + b"\n"


def write(raw: bytes) -> None:
    """Write bytes to stdout at once."""
    sys.stdout.flush()
    sys.stdout.buffer.write(raw)
    sys.stdout.buffer.flush()


def _text_field(name: str, raw: bytes) -> dict[str, object]:
    try:
        return {name: raw.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(raw).decode()}
