import pytest
import typer

from dynakv.client import terminal
from dynakv.errors import RefusedError, StorageError, UsageError


def command(error: BaseException | None = None) -> typer.Typer:
    app = terminal.application("tool", "A tool.")

    @app.command()
    def act(count: int = 0) -> None:
        if error is not None:
            raise error

    @app.command()
    def other() -> None: ...

    return app


def code_of(arguments: list[str], error: BaseException | None = None) -> int:
    return terminal.exit_code("tool", command(error), {RefusedError: 2}, arguments)


def test_success_is_zero() -> None:
    assert code_of(["act"]) == 0


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["act", "--bogus"], "tool act: No such option: --bogus (see 'tool act --help')\n"),
        (["bogus"], "tool: No such command 'bogus'. (see 'tool --help')\n"),
    ],
)
def test_a_word_that_nobody_knows_is_a_usage_error_of_one_line(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code_of(arguments) == 64
    assert capsys.readouterr() == ("", line)


def test_a_word_of_the_wrong_type_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of(["act", "--count", "x"]) == 64
    assert capsys.readouterr().err.startswith("tool act: Invalid value for '--count'")


def test_a_bare_command_shows_its_help_as_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of([]) == 64
    output = capsys.readouterr()
    assert output.out == ""
    assert "Usage: tool" in output.err


def test_help_and_version_are_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of(["--help"]) == 0
    assert code_of(["--version"]) == 0
    output = capsys.readouterr()
    assert "Usage: tool" in output.out
    assert "dynakv 0." in output.out
    assert output.err == ""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("bad"), 64),
        (RefusedError("bad"), 2),
        (StorageError("bad"), 1),
    ],
)
def test_an_error_is_one_line_and_its_own_code(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code_of(["act"], error) == code
    assert capsys.readouterr() == ("", "tool: bad\n")


def test_each_complaint_has_its_line_and_indented_lines_belong_to_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code_of(["act"], UsageError("one:\n  more\ntwo"))
    assert capsys.readouterr().err == "tool: one:\n  more\ntool: two\n"


def test_an_unexpected_error_is_one_line_without_a_trace(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DYNAKV_TRACEBACK", raising=False)
    assert code_of(["act"], ZeroDivisionError("oh")) == 70
    line = "tool: internal error: ZeroDivisionError: oh (DYNAKV_TRACEBACK=1 shows where)\n"
    assert capsys.readouterr().err == line


def test_an_unexpected_error_shows_its_trace_on_request(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DYNAKV_TRACEBACK", "1")
    assert code_of(["act"], ZeroDivisionError("oh")) == 70
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_is_130() -> None:
    assert code_of(["act"], KeyboardInterrupt()) == 130


def test_an_exit_code_of_the_command_is_kept() -> None:
    assert code_of(["act"], typer.Exit(7)) == 7
