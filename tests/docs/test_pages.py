import pytest

from tests.docs.pages import blocks_of, fits, shifted

PAGE = """\
# Page

```sh
one
```

Some words.

```text
1
```

## Part

<!-- not run: it never ends -->
```sh
two
```

```toml
a = 1
```

```python
three
```
"""


def test_a_text_block_is_what_the_block_before_it_prints() -> None:
    one, two, _, three = blocks_of(PAGE)
    assert (one.text, one.prints, one.line) == ("one\n", "1\n", 4)
    assert two.prints is None
    assert (three.word, three.prints) == ("python", None)


def test_a_block_runs_unless_its_word_or_a_comment_says_otherwise() -> None:
    assert [block.runs for block in blocks_of(PAGE)] == [True, False, False, True]


def test_a_block_knows_the_heading_above_it() -> None:
    assert [block.section for block in blocks_of(PAGE)] == ["Page", "Part", "Part", "Part"]


@pytest.mark.parametrize(
    "page",
    [
        "```text\nof nothing\n```\n",
        "```sh\na\n```\n```text\n1\n```\n```text\n2\n```\n",
        "```sh\na\n",
    ],
)
def test_a_page_whose_blocks_make_no_sense_is_an_error(page: str) -> None:
    with pytest.raises(AssertionError):
        blocks_of(page)


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("OK 2026@1\n", "OK ...\n"),
        ("a 1 b 2 c\n", "a ... b ... c"),
        ("a      1\nb\n", "a 1  \nb\n\n"),
        ("a\n1\n2\nb\n", "a\n...\nb\n"),
        ("a\nb\n", "a\n...\nb\n"),
        ("", ""),
    ],
)
def test_dots_stand_for_anything_and_spaces_for_spaces(printed: str, expected: str) -> None:
    assert fits(printed, expected)


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("OK 1\nOK 2\n", "OK ...\n"),
        ("a\nc\n", "a\n...\nb\n"),
        ("ab\n", "a b\n"),
        ("axc\n", "a.c\n"),
        ("a\n", ""),
        ("", "a\n"),
        ("a\n\nb\n", "a\nb\n"),
    ],
)
def test_what_differs_does_not_fit(printed: str, expected: str) -> None:
    assert not fits(printed, expected)


def test_the_ports_of_the_default_demo_move_together_and_nothing_else_does() -> None:
    page = "127.0.0.1:50051,127.0.0.1:50153 demo 50050, port 6401, 150051 and 50061"
    moved = "127.0.0.1:20001,127.0.0.1:20103 demo 20000, port 6401, 150051 and 50061"
    assert shifted(page, 20_000) == moved
