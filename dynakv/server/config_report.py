"""What is said about a configuration: complaints that can be acted on, and the effective values.

A complaint reads `field = value (origin): sentence with the limit`. An origin is a flag, an
environment variable or a file; a default can not be wrong.
"""

import difflib
import json
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

VALUE_CHARACTERS_MAX = 80  # of a value quoted in a complaint


def complaints(
    error: ValidationError, model: type[BaseModel], origins: Mapping[str, str]
) -> list[str]:
    """Return one sentence for each thing that pydantic found, in the order of the fields."""
    return [_complaint(details, model, origins) for details in error.errors()]


def complaint(name: str, value: object, origin: str | None, sentence: str) -> str:
    """Return `field = value (origin): sentence`; a value of None was not given at all."""
    shown = "" if value is None else f" = {_quoted(value)}"
    return f"{name}{shown}{f' ({origin})' if origin else ''}: {sentence}"


def dotted(location: tuple[int | str, ...]) -> str:
    """Return `cluster.members[0].zone` for its path."""
    name = ""
    for part in location:
        name += f"[{part}]" if isinstance(part, int) else f".{part}"
    return name.removeprefix(".")


def origin_of(name: str, origins: Mapping[str, str]) -> str | None:
    """Return where a value came from: its own origin, or that of what is around or inside it."""
    inside = next((origins[n] for n in origins if n.startswith(f"{name}.")), None)
    if inside is not None:
        return inside
    while name:
        if name in origins:
            return origins[name]
        cut = max(name.rfind("."), name.rfind("["))
        name = name[: max(cut, 0)]
    return None


def as_tables(config: BaseModel) -> dict[str, Any]:
    """Return the effective values as plain tables, lists, texts and numbers; None is left out."""
    return {name: _plain(getattr(config, name)) for name in type(config).model_fields}


def as_toml(tables: Mapping[str, Any], origins: Mapping[str, str]) -> str:
    """Return the tables as TOML that can be read back, with the origin of each value beside it."""
    loose = {k: v for k, v in tables.items() if not _is_table(v)}
    lines = list(_pairs("", loose, origins))
    for name, table in tables.items():
        if isinstance(table, dict):
            lines += ["", f"[{name}]", *_pairs(f"{name}.", table, origins)]
    for name, table in tables.items():
        if _is_table(table) and isinstance(table, list):
            for i, entry in enumerate(table):
                lines += ["", f"[[{name}]]", *_pairs(f"{name}[{i}].", entry, origins)]
    return "\n".join(lines).lstrip("\n")


def _complaint(details: ErrorDetails, model: type[BaseModel], origins: Mapping[str, str]) -> str:
    name = dotted(details["loc"])
    kind = details["type"]
    context = details.get("ctx", {})
    value: object = details["input"]
    sentence = _SENTENCES.get(kind, details["msg"][:1].lower() + details["msg"][1:])
    if kind == "extra_forbidden":
        sentence = f"unknown key{_meant(details['loc'], model)}"
    elif kind == "missing":
        value, sentence = None, "is required"
    elif kind == "value_error":
        sentence = str(context["error"])
    elif kind == "enum":
        sentence = f"must be {context['expected']}"
    return complaint(name, value, origin_of(name, origins), sentence.format(**context))


_SENTENCES = {
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "int_parsing": "must be an integer",
    "int_parsing_size": "must be an integer of at most 64 bits",
    "int_type": "must be an integer",
    "int_from_float": "must be an integer",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be a text",
    "path_type": "must be a path",
    "tuple_type": "must be a list",
    "model_type": "must be a table of keys",
    "model_attributes_type": "must be a table of keys",
}


def _meant(location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    """Return a hint at the closest known name: of the same table, else of the whole file."""
    wrong = str(location[-1])
    table: type[BaseModel] | None = model
    for part in location[:-1]:
        if table is not None and isinstance(part, str):
            table = _table_of(table, part)
    here = list(table.model_fields) if table is not None else []
    close = difflib.get_close_matches(wrong.lower(), here, n=1)
    if close:
        return f"; did you mean '{dotted((*location[:-1], close[0]))}'?"
    everywhere = {name.rsplit(".", 1)[-1]: name for name in _names(model)}
    close = difflib.get_close_matches(wrong.lower(), everywhere, n=1, cutoff=0.75)
    if close:
        return f"; did you mean '{everywhere[close[0]]}'?"
    return f"; known here: {', '.join(here)}" if here else ""


def _table_of(model: type[BaseModel], field: str) -> type[BaseModel] | None:
    """Return the model of a section, or of the entries of a list of tables."""
    info = model.model_fields.get(field)
    if info is None:
        return None
    pending: list[Any] = [info.annotation]
    while pending:
        kind = pending.pop()
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
        pending += get_args(kind)
    return None


def _names(model: type[BaseModel]) -> Iterator[str]:
    for field in model.model_fields:
        table = _table_of(model, field)
        if table is None:
            yield field
        else:
            yield from (f"{field}.{name}" for name in table.model_fields)


def _quoted(value: object) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    if len(text) > VALUE_CHARACTERS_MAX:
        return f"{text[:VALUE_CHARACTERS_MAX]}... ({len(text)} characters)"
    return text


def _plain(value: object) -> Any:
    if isinstance(value, BaseModel):
        return {k: p for k, p in as_tables(value).items() if p is not None}
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Path) else value


def _is_table(value: object) -> bool:
    """Say whether TOML writes this under a header of its own."""
    return isinstance(value, dict) or (
        isinstance(value, list) and bool(value) and isinstance(value[0], dict)
    )


def _pairs(prefix: str, table: Mapping[str, Any], origins: Mapping[str, str]) -> Iterator[str]:
    for key, value in table.items():
        origin = origin_of(prefix + key, origins) or "default"
        if isinstance(value, list) and value:
            # An array may stretch over lines in TOML, an inline table may not.
            entries = "".join(f"    {_inline(v)},\n" for v in value)
            yield f"{key} = [  # {origin}\n{entries}]"
        else:
            yield f"{key} = {_inline(value)}  # {origin}"


def _inline(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_inline(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_inline(v) for v in value) + "]"
    # JSON's texts, numbers and booleans are TOML's, but for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
