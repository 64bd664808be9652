import pytest

from dynakv.client import terminal
from dynakv.server.main import app


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--nodes", "3", "attach"], "--nodes belongs to the demo itself, not to 'attach'"),
        (["--no-links", "attach"], "--links belongs to the demo itself, not to 'attach'"),
        (["attach", "dir", "--base-port", "1"], "DIR and --base-port exclude each other"),
        (["atach"], "No such command 'atach'"),
        (["--with-load", "bogus"], "'bogus' is not one of 'uniform', 'zipf'"),
        (["--load-rate", "0"], "--load-rate = 0: must be between 1 and 5000 operations/s"),
        (["--once", "--with-load", "zipf"], "it excludes --prompt, --links and --with-load"),
        (["--once", "--prompt"], "it excludes --prompt, --links and --with-load"),
        (["--once", "--links"], "it excludes --prompt, --links and --with-load"),
        (["--load-rate", "5"], "--load-rate = 5: there is no load without --with-load"),
    ],
)
def test_bad_words_are_usage_errors_of_one_line(
    words: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert terminal.exit_code("dynakv", app, {}, ["demo", *words]) == 64
    output = capsys.readouterr()
    assert output.out == ""
    assert text in output.err
    assert output.err.count("\n") == 1


def test_help_shows_the_demo_and_its_second_prompt(capsys: pytest.CaptureFixture[str]) -> None:
    assert terminal.exit_code("dynakv", app, {}, ["demo", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "--with-load" in shown
    assert "attach" in shown
