import pytest

from dynakv.client.endpoints import DEFAULT, VARIABLE, endpoints
from dynakv.errors import UsageError


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def test_the_flag_beats_the_environment_which_beats_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert endpoints(None) == [DEFAULT]
    monkeypatch.setenv(VARIABLE, "a:1,b:2")
    assert endpoints(None) == ["a:1", "b:2"]
    assert endpoints("c:3") == ["c:3"]


def test_order_is_kept_and_each_endpoint_is_tried_once() -> None:
    assert endpoints("b:2, a:1,,b:2") == ["b:2", "a:1"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("", "--endpoints = '': must name at least one host:port"),
        (",", "--endpoints = ',': must name at least one host:port"),
        ("a", "--endpoints: 'a' must be host:port, such as 127.0.0.1:50051"),
        ("a:1,b:0", "--endpoints: 'b:0' must have a port between 1 and 65535"),
        ("a:99999", "--endpoints: 'a:99999' must have a port between 0 and 65535, not '99999'"),
    ],
)
def test_what_is_no_list_of_endpoints_is_a_usage_error(given: str, sentence: str) -> None:
    with pytest.raises(UsageError) as refusal:
        endpoints(given)
    assert str(refusal.value) == sentence


def test_a_wrong_list_of_the_environment_names_the_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, "a")
    with pytest.raises(UsageError, match="DYNAKV_ENDPOINTS: 'a' must be host:port"):
        endpoints(None)
