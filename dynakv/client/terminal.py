"""What the three commands share: exit codes, and errors as one line on stderr.

Data goes to stdout, everything else to stderr, and no stack trace ever reaches the user; setting
DYNAKV_TRACEBACK shows the one of an error that nobody expected. Exit codes follow sysexits.h where
it has a fitting one: 64 is EX_USAGE, 70 is EX_SOFTWARE.
"""

import os
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Final, NoReturn, cast

import typer

from dynakv import __version__
from dynakv.errors import DynaKVError, UsageError

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 64
EXIT_SOFTWARE: Final = 70
EXIT_INTERRUPTED: Final = 130

# Before gRPC is imported: it writes lines of its own to stderr, past our logs. What it says there
# of a call or a port also comes as an error.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

_LINE = re.compile(r"^(?! )", re.MULTILINE)  # an indented line belongs to the one above it

# The root of what the parser complains of. Newer versions of typer carry a copy of click of their
# own, so that the class is found through the one name which all of them export.
_BadUsage = cast(type[Exception], typer.BadParameter.__base__)


def application(name: str, text: str, bare: Callable[[], None] | None = None) -> typer.Typer:
    """Return an empty command. Plain help: rich alone would take half of its 150 ms.

    `bare` is what it does without arguments, else it shows its help as a usage error.
    """
    app = typer.Typer(
        name=name,
        help=text,
        no_args_is_help=bare is None,
        invoke_without_command=bare is not None,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def root(
        ctx: typer.Context,
        version: bool = typer.Option(
            False, "--version", help="Show the version and exit.", is_eager=True, callback=_version
        ),
    ) -> None:
        del version
        if bare is not None and ctx.invoked_subcommand is None:
            bare()

    root.__doc__ = text
    return app


def run(
    name: str,
    app: Callable[..., object],
    codes: Mapping[type[BaseException], int] | None = None,
    arguments: list[str] | None = None,
) -> NoReturn:
    """Run a command and end the process with its exit code.

    `codes` gives the exit code of an error by class, the first match counting; a UsageError is 64
    and any other DynaKVError 1.
    """
    sys.exit(exit_code(name, app, codes, arguments))


def exit_code(
    name: str,
    app: Callable[..., object],
    codes: Mapping[type[BaseException], int] | None = None,
    arguments: list[str] | None = None,
) -> int:
    """Return the exit code of a command, after saying on stderr what went wrong."""
    try:
        code = app(args=arguments, prog_name=name, standalone_mode=False)
    except _BadUsage as error:
        return _complain_of_usage(name, error)
    except DynaKVError as error:
        return complain(name, error, codes)
    except (typer.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough; do not fail again while flushing the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except Exception as error:  # noqa: BLE001 - the border: the user gets one line
        if "DYNAKV_TRACEBACK" in os.environ:
            traceback.print_exc()
        else:
            say(
                f"{name}: internal error: {type(error).__name__}: {error} "
                "(DYNAKV_TRACEBACK=1 shows where)"
            )
        return EXIT_SOFTWARE
    return code if isinstance(code, int) else 0


def complain(
    name: str, error: DynaKVError, codes: Mapping[type[BaseException], int] | None = None
) -> int:
    """Say what went wrong, a line each, and return the exit code that `codes` gives it."""
    say(_LINE.sub(f"{name}: ", str(error)))
    known = {**(codes or {}), UsageError: EXIT_USAGE}
    return next((c for kind, c in known.items() if isinstance(error, kind)), EXIT_FAILED)


def say(text: str) -> None:
    """Write a line for a person to stderr."""
    print(text, file=sys.stderr, flush=True)


def _complain_of_usage(name: str, error: Exception) -> int:
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        say(message)
    else:
        command = context.command_path if context is not None else name
        say(f"{command}: {' '.join(message.split())} (see '{command} --help')")
    return EXIT_USAGE


def _version(wanted: bool) -> None:
    if wanted:
        print(f"dynakv {__version__}")
        raise typer.Exit
