import pytest

from dynakv.server import config_checks as checks


def test_a_part_without_an_equal_sign_is_the_zone_of_the_member_before() -> None:
    assert checks.member_list("a=h:1,west, b=h:2,") == ["a=h:1,west", "b=h:2"]


def test_a_member_list_may_be_json() -> None:
    assert checks.member_list(' ["a=h:1"]') == ["a=h:1"]


def test_a_member_without_zone_leaves_it_to_the_default() -> None:
    assert checks.member("a=h:1") == {"id": "a", "address": "h:1"}
    assert checks.member("a=h:1, west") == {"id": "a", "address": "h:1", "zone": "west"}


@pytest.mark.parametrize("groups", [1, 2, 256, 4096])
def test_powers_of_two_are_numbers_of_groups(groups: int) -> None:
    assert checks.groups(groups) == groups


@pytest.mark.parametrize("groups", [-2, 0, 3, 8192, 2**63])
def test_other_numbers_of_groups_are_refused(groups: int) -> None:
    with pytest.raises(ValueError, match="must be a power of two between 1 and 4096"):
        checks.groups(groups)


@pytest.mark.parametrize("text", ["a b", "a,b", "a=b", "a\nb", "é" * 33])
def test_a_zone_that_a_member_list_cannot_carry_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        checks.place(text)


@pytest.mark.parametrize("text", ["", ".a", "-a", "a b", "ä", "a" * 65])
def test_an_id_that_file_names_cannot_carry_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        checks.node_id(text)


def test_an_address_has_one_spelling() -> None:
    assert checks.address("[::1]:0050") == "[::1]:50"
