"""Bad input: refused with the name of the argument, its value and the limit, before anything is
sent. The clients here have no node to send to."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dynakv import AsyncClient
from dynakv.client import arguments
from dynakv.client.settings import ENDPOINTS_MAX
from dynakv.errors import UsageError

NOBODY = "127.0.0.1:1"
DAY = timedelta(days=1)
BIG = b"x" * ((8 << 20) + 1)
Call = Callable[[Any], Awaitable[object]]


def key_calls(key: Any) -> list[Call]:
    return [
        lambda c: c.get(key),
        lambda c: c.get_entry(key),
        lambda c: c.put(key, "v"),
        lambda c: c.delete(key),
        lambda c: c.expire(key, DAY),
        lambda c: c.persist(key),
    ]


KEYS: list[tuple[Any, str]] = [
    (b"", "key has 0 bytes: must have 1 to 4096"),
    ("x" * 4097, "key has 4097 bytes: must have 1 to 4096"),
    ("ü" * 2049, "key has 4098 bytes: must have 1 to 4096"),
    (5, "key = 5: must be bytes or str"),
    (None, "key = None: must be bytes or str"),
    ("\ud800", r"key = '\ud800': has no UTF-8 form: surrogates not allowed at 0; give bytes"),
]

CALLS: list[tuple[Call, str]] = [
    *((call, text) for key, text in KEYS for call in key_calls(key)),
    (lambda c: c.put("k", None), "value = None: must be bytes or str"),
    (lambda c: c.put("k", 5), "value = 5: must be bytes or str"),
    (
        lambda c: c.put("k", BIG),
        "value has 8388609 bytes: must have at most 8388608, the most that any node accepts",
    ),
    (lambda c: c.put("k", "v", ttl=60), "ttl = 60: must be a datetime.timedelta"),
    (
        lambda c: c.put("k", "v", ttl=timedelta(0)),
        "ttl = 0:00:00: must be between 1 ms and 3162240000000 ms",
    ),
    (
        lambda c: c.put("k", "v", ttl=-DAY),
        "ttl = -1 day, 0:00:00: must be between 1 ms and 3162240000000 ms",
    ),
    (
        lambda c: c.put("k", "v", ttl=timedelta(days=36601)),
        "ttl = 36601 days, 0:00:00: must be between 1 ms and 3162240000000 ms",
    ),
    (lambda c: c.put("k", "v", expires_at=9), "expires_at = 9: must be a datetime.datetime"),
    (
        lambda c: c.put("k", "v", expires_at=datetime(2030, 1, 1)),  # noqa: DTZ001
        "expires_at = 2030-01-01T00:00:00: must have a time zone, such as datetime.UTC",
    ),
    (
        lambda c: c.put("k", "v", expires_at=datetime(1969, 1, 1, tzinfo=UTC)),
        (
            "expires_at = 1969-01-01T00:00:00+00:00: "
            "must be between 1 and 140737488355327 ms after 1970"
        ),
    ),
    (
        lambda c: c.expire("k", expires_at=datetime(7000, 1, 1, tzinfo=UTC)),
        (
            "expires_at = 7000-01-01T00:00:00+00:00: "
            "must be between 1 and 140737488355327 ms after 1970"
        ),
    ),
    (
        lambda c: c.put("k", "v", ttl=DAY, keep_ttl=True),
        "ttl and keep_ttl exclude each other: give at most one",
    ),
    (
        lambda c: c.put("k", "v", ttl=DAY, expires_at=datetime(2030, 1, 1, tzinfo=UTC)),
        "ttl and expires_at exclude each other: give at most one",
    ),
    (
        lambda c: c.expire("k"),
        "expire needs ttl or expires_at; to take a deadline off use persist",
    ),
    (lambda c: c.put("k", "v", w=0), "w = 0: must be an int between 1 and 16"),
    (lambda c: c.put("k", "v", w=17), "w = 17: must be an int between 1 and 16"),
    (lambda c: c.delete("k", w="2"), "w = '2': must be an int between 1 and 16"),
    (lambda c: c.get("k", r=-1), "r = -1: must be an int between 1 and 16"),
    (lambda c: c.get("k", r=True), "r = True: must be an int between 1 and 16"),
    (lambda c: c.get("k", level="most"), "level = 'most': must be one of one, quorum, all"),
    (lambda c: c.persist("k", level=2), "level = 2: must be one of one, quorum, all"),
    (lambda c: c.get("k", keyspace=""), "keyspace has 0 bytes: must have 1 to 64"),
    (lambda c: c.get("k", keyspace="x" * 65), "keyspace has 65 bytes: must have 1 to 64"),
    (lambda c: c.get("k", keyspace=b"x"), "keyspace = b'x': must be a str"),
    (
        lambda c: c.get("k", timeout=0),
        "timeout = 0 s: must be between 0.001 and 60 seconds",
    ),
    (
        lambda c: c.get("k", timeout=timedelta(seconds=61)),
        "timeout = 61.0 s: must be between 0.001 and 60 seconds",
    ),
    (
        lambda c: c.get("k", timeout=float("nan")),
        "timeout = nan s: must be between 0.001 and 60 seconds",
    ),
    (lambda c: c.get("k", timeout="1s"), "timeout = '1s': must be seconds or a datetime.timedelta"),
    (lambda c: c.ring(timeout=0), "timeout = 0 s: must be between 0.001 and 60 seconds"),
    (lambda c: c.get_many("key"), "keys = 'key': must be a list of keys, not one key"),
    (lambda c: c.get_many(["a", ""]), "keys[1] has 0 bytes: must have 1 to 4096"),
    (lambda c: c.delete_many([b"a", 5]), "keys[1] = 5: must be bytes or str"),
    (lambda c: c.put_many([("a", "1"), "ab"]), "items[1] = 'ab': must be a tuple of key and value"),
    (lambda c: c.put_many({"a": "1", "": "2"}), "items[1] key has 0 bytes: must have 1 to 4096"),
    (lambda c: c.put_many({"a": 1}), "items[0] value = 1: must be bytes or str"),
    (
        lambda c: c.count(prefix="a", start="b"),
        "prefix excludes start and end: give one or the other",
    ),
    (lambda c: c.count(end="x" * 4097), "end has 4097 bytes: must have at most 4096"),
    (lambda c: c.count(prefix=5), "prefix = 5: must be bytes or str"),
]


@pytest.mark.parametrize(("call", "text"), CALLS)
def test_a_call_with_bad_input_names_argument_value_and_limit(call: Call, text: str) -> None:
    async def scenario() -> None:
        async with AsyncClient(NOBODY, timeout=0.05) as client:
            with pytest.raises(UsageError) as caught:
                await call(client)
            assert str(caught.value) == text

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("begin", "text"),
    [
        (lambda c: c.list(page_keys=0), "page_keys = 0: must be an int between 1 and 1000"),
        (lambda c: c.list(page_keys=1001), "page_keys = 1001: must be an int between 1 and 1000"),
        (
            lambda c: c.list(prefix="a", end="b"),
            "prefix excludes start and end: give one or the other",
        ),
        (lambda c: c.pipeline(w=99), "w = 99: must be an int between 1 and 16"),
        (lambda c: c.pipeline().get(""), "key has 0 bytes: must have 1 to 4096"),
        (lambda c: c.pipeline().put("k", 1), "value = 1: must be bytes or str"),
        (
            lambda c: c.pipeline().expire("k"),
            "expire needs ttl or expires_at; to take a deadline off use persist",
        ),
    ],
)
def test_what_is_begun_with_bad_input_is_refused_at_once(
    begin: Callable[[AsyncClient], object], text: str
) -> None:
    with pytest.raises(UsageError) as caught:
        begin(AsyncClient(NOBODY))
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"endpoints": ""}, "endpoints: '' must be host:port, such as 127.0.0.1:50051"),
        ({"endpoints": []}, "endpoints names 0 nodes: must name 1 to 256"),
        ({"endpoints": [5]}, "endpoints: 5 must be a host:port"),
        ({"endpoints": "h"}, "endpoints: 'h' must be host:port, such as 127.0.0.1:50051"),
        ({"endpoints": "h:0"}, "endpoints: 'h:0' must have a port between 1 and 65535"),
        ({"keyspace": ""}, "keyspace has 0 bytes: must have 1 to 64"),
        ({"level": "two"}, "level = 'two': must be one of one, quorum, all"),
        ({"timeout": 61}, "timeout = 61 s: must be between 0.001 and 60 seconds"),
        ({"attempt_timeout": 0}, "attempt_timeout = 0 s: must be between 0.001 and 60 seconds"),
    ],
)
def test_a_client_with_bad_options_is_not_made(options: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        AsyncClient(**options)
    assert str(caught.value) == text


def test_endpoints_are_taken_from_text_or_a_list_each_once() -> None:
    both = ("127.0.0.1:1", "[::1]:2")
    assert arguments.endpoints(" 127.0.0.1:1, [::1]:2,127.0.0.1:1") == both
    assert arguments.endpoints(both) == both
    with pytest.raises(UsageError, match="names 257 nodes: must name 1 to 256"):
        arguments.endpoints(f"h:{port}" for port in range(1, ENDPOINTS_MAX + 2))


def test_times_are_rounded_up_to_milliseconds() -> None:
    assert arguments.ttl_ms(timedelta(microseconds=1)) == 1
    assert arguments.ttl_ms(timedelta(milliseconds=2)) == 2
    moment = datetime(2038, 1, 19, 3, 14, 8, 1, tzinfo=UTC)
    assert arguments.expires_at_ms(moment) == (1 << 31) * 1000 + 1
