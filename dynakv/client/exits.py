"""The exit codes of `dynakv-cli`."""

from typing import Final

from dynakv.errors import RefusedError, UnknownOutcomeError

EXIT_NOT_FOUND: Final = 1
EXIT_UNAVAILABLE: Final = 2
EXIT_UNKNOWN: Final = 3
EXIT_CODES: Final[dict[type[BaseException], int]] = {
    RefusedError: EXIT_UNAVAILABLE,
    UnknownOutcomeError: EXIT_UNKNOWN,
}
