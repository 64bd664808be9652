"""Lines of a batch: what they say, and what is wrong with them."""

import io
import json

import pytest

from dynakv.client.batch_lines import Entry, Format, Op, Wrong, entries, format_of
from dynakv.errors import UsageError


def json_entries(*lines: str) -> list[Entry | Wrong]:
    return list(entries([f"{line}\n" for line in lines], Format.JSON))


def csv_entries(text: str) -> list[Entry | Wrong]:
    return list(entries(io.StringIO(text, newline=""), Format.CSV))


def test_each_kind_of_line_becomes_an_entry() -> None:
    assert json_entries(
        '{"op": "put", "key": "k", "value": "v", "ttl": "30s"}',
        '{"key": "k", "value": ""}',
        "",
        '{"op": "delete", "key": "k"}',
        '{"op": "expire", "key": "k", "ttl_ms": 5}',
        '{"op": "expire", "key": "k", "expires_at_ms": 6}',
        '{"op": "persist", "key": "k"}',
        '{"key": "k", "value": "v", "keep_ttl": true}',
    ) == [
        Entry(1, Op.PUT, b"k", b"v", ttl_ms=30_000),
        Entry(2, Op.PUT, b"k", b""),
        Entry(4, Op.DELETE, b"k"),
        Entry(5, Op.EXPIRE, b"k", ttl_ms=5),
        Entry(6, Op.EXPIRE, b"k", expires_at_ms=6),
        Entry(7, Op.PERSIST, b"k"),
        Entry(8, Op.PUT, b"k", b"v", keep_ttl=True),
    ]


def test_bytes_that_are_no_text_come_as_base64_or_raw() -> None:
    assert json_entries('{"key_base64": "/wA=", "value_base64": "AAE="}') == [
        Entry(1, Op.PUT, b"\xff\x00", b"\x00\x01")
    ]
    raw = '{"key": "\udcff", "value": "\udc80"}'  # as surrogateescape reads them from a file
    assert json_entries(raw) == [Entry(1, Op.PUT, b"\xff", b"\x80")]


def test_a_stamp_is_passed_over_so_that_a_list_is_a_batch() -> None:
    line = json.dumps({"key": "k", "value": "v", "stamp": "x", "expires_at_ms": 1_900_000_000_000})
    assert json_entries(line) == [Entry(1, Op.PUT, b"k", b"v", expires_at_ms=1_900_000_000_000)]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("nonsense", "no JSON: "),
        ("[" * 100_000, "no JSON: "),
        ("[1]", "must be an object"),
        ('{"op": "incr", "key": "k"}', "op = 'incr': must be one of put, delete, expire, persist"),
        ('{"op": 7, "key": "k"}', "op = 7: must be one of"),
        ('{"value": "v"}', "key is missing: must have 1 to 4096"),
        ('{"key": "", "value": "v"}', "key has 0 bytes: must have 1 to 4096"),
        ('{"key": 5, "value": "v"}', "key = 5: must be a text, in quotes"),
        ('{"key": null, "value": "v"}', "key = null: must be a text"),
        ('{"key": "k"}', "value is missing"),
        ('{"key": "k", "value": 7}', "value = 7: must be a text, in quotes"),
        ('{"key": "k", "key_base64": "a"}', "key and key_base64 exclude each other"),
        ('{"key_base64": "a", "value": ""}', "key_base64 = 'a': must be base64"),
        ('{"key_base64": "é", "value": ""}', "key_base64 = 'é': must be base64"),
        ('{"key": "\\ud800", "value": ""}', "key: holds half of a surrogate pair"),
        ('{"key": "k", "value": "", "ttl": 30}', "ttl = 30: must be a text such as '30s'"),
        ('{"key": "k", "value": "", "ttl": "0s"}', "ttl = '0s': must be between 1ms and 36600d"),
        ('{"key": "k", "value": "", "ttl": "1s", "ttl_ms": 5}', "ttl and ttl_ms exclude"),
        ('{"key": "k", "value": "", "ttl_ms": 0}', "ttl_ms = 0: must be a whole number, 1 to"),
        ('{"key": "k", "value": "", "ttl_ms": true}', "ttl_ms = True: must be a whole number"),
        ('{"key": "k", "value": "", "ttl_ms": 1.5}', "ttl_ms = 1.5: must be a whole number"),
        ('{"key": "k", "value": "", "ttl_ms": 1, "keep_ttl": true}', "exclude each other"),
        ('{"key": "k", "value": "", "keep_ttl": 1}', "keep_ttl = 1: must be true or false"),
        ('{"op": "expire", "key": "k"}', "expire needs ttl, ttl_ms or expires_at_ms"),
        ('{"op": "delete", "key": "k", "value": "v"}', "value is no field of delete"),
        ('{"key": "k", "value": "", "tll": "5s"}', "tll is no field of put; known are op, "),
    ],
)
def test_a_wrong_line_says_which_field_and_what_it_must_be(line: str, text: str) -> None:
    (wrong,) = json_entries(line)
    assert isinstance(wrong, Wrong)
    assert text in wrong.text


def test_an_oversized_key_or_value_is_wrong_before_it_is_sent() -> None:
    key = json.dumps({"key": "k" * 4097, "value": ""})
    value = json.dumps({"key": "k", "value": "v" * (8_388_608 + 1)})
    texts = [line.text for line in json_entries(key, value) if isinstance(line, Wrong)]
    assert texts == [
        "key has 4097 bytes: must have 1 to 4096",
        "value has 8388609 bytes: at most 8388608 are allowed",
    ]


def test_csv_has_the_same_fields_by_column() -> None:
    text = 'key,value,op,ttl,keep_ttl\r\na,"x\ny",put,5s,\r\nb,,,,TRUE\r\nc,,delete,,\r\n\r\n'
    assert csv_entries(text) == [
        Entry(2, Op.PUT, b"a", b"x\ny", ttl_ms=5_000),
        Entry(4, Op.PUT, b"b", b"", keep_ttl=True),
        Entry(5, Op.DELETE, b"c"),
    ]


def test_csv_rows_are_wrong_alone() -> None:
    found = csv_entries('key,value,ttl_ms\na,b\nc,d,x\n"e"f,g,\nh,i,7\n')
    assert [line.line for line in found] == [2, 3, 4, 5]
    assert [isinstance(line, Wrong) for line in found] == [True, True, True, False]
    assert found[0] == Wrong(2, "has 2 cells where the first row names 3")
    assert found[3] == Entry(5, Op.PUT, b"h", b"i", ttl_ms=7)


@pytest.mark.parametrize("head", ["", "value\n", "key,key\n", "key,color\n", "k1,v1\n"])
def test_csv_without_a_row_of_known_columns_is_refused_as_a_whole(head: str) -> None:
    with pytest.raises(UsageError, match="line 1: the first row of CSV must name its columns"):
        csv_entries(head)


def test_the_format_is_what_was_given_or_the_name_says() -> None:
    assert format_of("x.CSV", None) is Format.CSV
    assert format_of("x.jsonl", None) is Format.JSON
    assert format_of("-", None) is Format.JSON
    assert format_of("x.csv", Format.JSON) is Format.JSON
