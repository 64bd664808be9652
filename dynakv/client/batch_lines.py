"""The lines of a batch file: JSON objects or CSV rows, to entries that were checked.

    {"op": "put", "key": "k", "value": "v", "ttl": "30s"}
    {"op": "put", "key_base64": "/w==", "value_base64": "AAE=", "expires_at_ms": 1900000000000}
    {"op": "put", "key": "k", "value": "v", "keep_ttl": true}
    {"op": "delete", "key": "k"}
    {"op": "expire", "key": "k", "ttl_ms": 30000}
    {"op": "persist", "key": "k"}

`op` may be left out: put, so that what `dynakv-cli list -o json` prints is a batch. The first row
of CSV names its columns, which have the same names; an empty cell is one that is not given, except
a put's value. A row of CSV can span lines, an object cannot.
"""

import base64
import binascii
import csv
import json
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from dynakv import limits
from dynakv.client import texts
from dynakv.errors import UsageError


class Format(Enum):
    """How a batch is written."""

    JSON = "json"
    CSV = "csv"


class Op(Enum):
    """What is done with a key."""

    PUT = "put"
    DELETE = "delete"
    EXPIRE = "expire"
    PERSIST = "persist"


class Entry(Struct, frozen=True):
    """One write."""

    line: int  # of the file, the first is 1
    op: Op
    key: bytes
    value: bytes = b""
    ttl_ms: int = 0  # 0: not given
    expires_at_ms: int = 0  # 0: not given
    keep_ttl: bool = False


class Wrong(Struct, frozen=True):
    """A line that says nothing that could be done."""

    line: int
    text: str


FIELDS: Final = {
    Op.PUT: {"key", "key_base64", "value", "value_base64", "keep_ttl"}
    | {"ttl", "ttl_ms", "expires_at_ms"},
    Op.DELETE: {"key", "key_base64"},
    Op.EXPIRE: {"key", "key_base64", "ttl", "ttl_ms", "expires_at_ms"},
    Op.PERSIST: {"key", "key_base64"},
}
_IGNORED: Final = {"op", "stamp"}  # a stamp is in what `list -o json` prints
_NAMES: Final = _IGNORED.union(*FIELDS.values())
_LINE_CHARACTERS_MAX: Final = 16 << 20  # the largest value as base64 or escapes, with room


def format_of(path: str, given: Format | None) -> Format:
    """Return the format that was given, else that of the file's name, else JSON."""
    if given is not None:
        return given
    return Format.CSV if Path(path).suffix.lower() == ".csv" else Format.JSON


def entries(lines: Iterable[str], form: Format) -> Iterator[Entry | Wrong]:
    """Yield what each line says; empty lines are passed over.

    Raises UsageError where the first row of CSV is no list of columns.
    """
    return _of_csv(lines) if form is Format.CSV else _of_json(lines)


def _of_json(lines: Iterable[str]) -> Iterator[Entry | Wrong]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Wrong(number, f"no JSON: {error}")
            continue
        if isinstance(found, dict):
            yield _entry_or_wrong(number, found)
        else:
            yield Wrong(number, 'must be an object, such as {"key": "k", "value": "v"}')


def _of_csv(lines: Iterable[str]) -> Iterator[Entry | Wrong]:
    csv.field_size_limit(_LINE_CHARACTERS_MAX)
    rows = csv.reader(lines, strict=True)
    columns = _columns(next(rows, []))
    while True:
        number = rows.line_num + 1  # where the row begins
        try:
            cells = next(rows, None)
        except csv.Error as error:
            yield Wrong(number, f"no CSV: {error}")
            continue
        if cells is None:
            return
        if not cells:
            continue
        if len(cells) != len(columns):
            yield Wrong(number, f"has {len(cells)} cells where the first row names {len(columns)}")
            continue
        found: dict[str, object] = {
            name: cell for name, cell in zip(columns, cells, strict=True) if cell
        }
        if "value" in columns and found.get("op", "put") == "put" and "value_base64" not in found:
            found.setdefault("value", "")
        yield _entry_or_wrong(number, _numbers(found))


def _columns(names: list[str]) -> list[str]:
    columns = [name.strip().lower() for name in names]
    unknown = [name for name in columns if name not in _NAMES]
    if unknown or len(set(columns)) < len(columns) or not {"key", "key_base64"} & set(columns):
        raise UsageError(
            f"line 1: the first row of CSV must name its columns, each once, key among them; "
            f"it is {','.join(names)[:80]!r}, known are {', '.join(sorted(_NAMES))}"
        )
    return columns


def _numbers(found: dict[str, object]) -> dict[str, object]:
    """Give cells the types that JSON has; what does not fit is left for the complaint."""
    for name in ("ttl_ms", "expires_at_ms"):
        cell = found.get(name)
        if isinstance(cell, str) and cell.isascii() and cell.isdigit() and len(cell) <= 20:
            found[name] = int(cell)
    keep = found.get("keep_ttl")
    if isinstance(keep, str):
        found["keep_ttl"] = {"true": True, "false": False}.get(keep.lower(), keep)
    return found


def _entry_or_wrong(number: int, found: dict[str, Any]) -> Entry | Wrong:
    try:
        return _entry(number, found)
    except UsageError as error:
        return Wrong(number, str(error))


def _entry(number: int, found: dict[str, Any]) -> Entry:
    op = _op(found)
    foreign = sorted(found.keys() - FIELDS[op] - _IGNORED)
    if foreign:
        known = ", ".join(sorted(FIELDS[op]))
        raise UsageError(f"{foreign[0]} is no field of {op.value}; known are op, {known}")
    key = _bytes(found, "key")
    if key is None or not 1 <= len(key) <= limits.KEY_BYTES_MAX:
        size = "is missing" if key is None else f"has {len(key)} bytes"
        raise UsageError(f"key {size}: must have 1 to {limits.KEY_BYTES_MAX}")
    ttl_ms, expires_at_ms = _deadline(found)
    keep_ttl = found.get("keep_ttl", False)
    if not isinstance(keep_ttl, bool):
        raise UsageError(f"keep_ttl = {keep_ttl!r}: must be true or false")
    if bool(ttl_ms) + bool(expires_at_ms) + keep_ttl > 1:
        raise UsageError("ttl, expires_at_ms and keep_ttl exclude each other")
    if op is Op.EXPIRE and not ttl_ms and not expires_at_ms:
        raise UsageError("expire needs ttl, ttl_ms or expires_at_ms; persist removes a deadline")
    value = _bytes(found, "value") or b""
    if op is Op.PUT:
        if "value" not in found and "value_base64" not in found:
            raise UsageError("value is missing; a put may have an empty one, and must say so")
        if len(value) > limits.VALUE_BYTES_HARD_MAX:
            most = limits.VALUE_BYTES_HARD_MAX
            raise UsageError(f"value has {len(value)} bytes: at most {most} are allowed")
    return Entry(number, op, key, value, ttl_ms, expires_at_ms, keep_ttl)


def _op(found: dict[str, Any]) -> Op:
    name = found.get("op", "put")
    try:
        return Op(name)
    except ValueError:
        known = ", ".join(op.value for op in Op)
        raise UsageError(f"op = {name!r}: must be one of {known}") from None


def _bytes(found: dict[str, Any], name: str) -> bytes | None:
    """Return the bytes of a text or of its base64; None where neither is given."""
    coded = f"{name}_base64"
    if name in found and coded in found:
        raise UsageError(f"{name} and {coded} exclude each other")
    text = found.get(name, found.get(coded))
    if text is None:
        if name in found or coded in found:
            raise UsageError(f"{name} = null: must be a text")
        return None
    if not isinstance(text, str):
        raise UsageError(f"{name} = {text!r}: must be a text, in quotes")
    if name in found:
        try:
            return text.encode(errors="surrogateescape")
        except UnicodeEncodeError:
            raise UsageError(f"{name}: holds half of a surrogate pair") from None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise UsageError(f"{coded} = {text[:40]!r}: must be base64") from None


def _deadline(found: dict[str, Any]) -> tuple[int, int]:
    """Return the TTL and the deadline in milliseconds, 0 where not given."""
    ttl_ms = _milliseconds(found, "ttl_ms", limits.TTL_MS_MAX)
    if "ttl" in found:
        if ttl_ms:
            raise UsageError("ttl and ttl_ms exclude each other")
        if not isinstance(found["ttl"], str):
            raise UsageError(f"ttl = {found['ttl']!r}: must be a text such as '30s'; see ttl_ms")
        ttl_ms = texts.ttl_ms(found["ttl"], "ttl")
    return ttl_ms, _milliseconds(found, "expires_at_ms", limits.EXPIRY_MS_MAX)


def _milliseconds(found: dict[str, Any], name: str, most: int) -> int:
    number = found.get(name)
    if name not in found:
        return 0
    if type(number) is not int or not 1 <= number <= most:
        raise UsageError(f"{name} = {number!r}: must be a whole number, 1 to {most}")
    return number
