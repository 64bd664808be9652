"""What a process knows of the client that called it."""

from typing import Protocol


class Caller(Protocol):
    """A client's call at the door of a process."""

    def answered(self, reply: object) -> bool:
        """Take a part of the answer; True when every entry has been answered."""

    def broken(self) -> None:
        """Learn that the process died with the call unanswered."""
