import pytest

from dynakv.core import address


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("127.0.0.1:50051", ("127.0.0.1", 50051)),
        ("db-1.example.org:1", ("db-1.example.org", 1)),
        ("[::1]:65535", ("::1", 65535)),
        ("localhost:0", ("localhost", 0)),
    ],
)
def test_an_address_is_parsed_and_joined_to_the_same_text(
    text: str, parts: tuple[str, int]
) -> None:
    assert address.parsed(text) == parts
    assert address.joined(*parts) == text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "must be host:port"),
        ("localhost", "must be host:port"),
        (":1", "must be host:port"),
        ("::1:5", "must have its IPv6 host in brackets"),
        ("a:65536", "must have a port between 0 and 65535, not '65536'"),
        ("a:-1", "must have a port between 0 and 65535, not '-1'"),
        ("a:٣", "must have a port between 0 and 65535"),
        ("a b:1", "must have a host name or IP address, not 'a b'"),
        ("[]:1", "must have a host name or IP address, not ''"),
        ("x" * 254 + ":1", "must have a host name or IP address"),
    ],
)
def test_what_is_no_address_is_refused_with_a_reason(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match="must") as refusal:
        address.parsed(text)
    assert str(refusal.value).startswith(sentence)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_these_hosts_are_reachable_from_this_machine_only(host: str) -> None:
    assert address.is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "n1", "localhost.example.org"])
def test_these_hosts_may_be_reachable_from_elsewhere(host: str) -> None:
    assert not address.is_loopback(host)
