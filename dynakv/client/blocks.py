"""What pipelines and transactions are: things to do, written down, then done once and together.

Each has a class for each client; what is written down, and when it runs, is the same for both.
"""

from types import TracebackType
from typing import Any, ClassVar, Generic, Self, TypeVar

from dynakv.errors import DynaKVError, UsageError

T = TypeVar("T")


class Later(Generic[T]):
    """A result that is there once its pipeline or transaction has run."""

    __slots__ = ("_outcome", "_what")

    def __init__(self, what: str) -> None:
        """Begin without a result; `what` names the thing that has to run."""
        self._what = what
        self._outcome: Any = None

    def settle(self, outcome: object) -> None:
        """Set the result or the DynaKVError; for whoever runs it."""
        self._outcome = (outcome,)

    def result(self) -> T:
        """Return the result or raise the error. Raises UsageError before it has run."""
        if self._outcome is None:
            raise UsageError(f"the {self._what} of this result has not been run yet")
        (outcome,) = self._outcome
        if isinstance(outcome, DynaKVError):
            raise outcome
        found: T = outcome
        return found


class Deferred:
    """Runs once; every result of it has a `Later`."""

    WHAT: ClassVar[str]  # it is, to users

    def __init__(self) -> None:
        """Begin empty."""
        self._laters: list[Later[Any]] = []
        self._is_run = False

    def __len__(self) -> int:
        return len(self._laters)

    async def run(self) -> list[Any]:
        """Run all of it and return the results, in order. Raises DynaKVError."""
        self._refuse_if_run()
        self._is_run = True
        try:
            outcomes = await self._outcomes() if self._laters else []
        except DynaKVError as error:
            for later in self._laters:
                later.settle(error)
            raise
        for later, outcome in zip(self._laters, outcomes, strict=True):
            later.settle(outcome)
        return outcomes

    async def _outcomes(self) -> list[Any]:
        """Do it; return a result, or what went wrong, for each `Later`."""
        raise NotImplementedError

    def _later(self) -> Later[Any]:
        later: Later[Any] = Later(self.WHAT)
        self._laters.append(later)
        return later

    def _refuse_if_run(self) -> None:
        if self._is_run:
            raise UsageError(f"this {self.WHAT} has been run: begin a new one")


class AsyncBlock(Deferred):
    """Runs when its `async with` block is left."""

    async def __aenter__(self) -> Self:
        """Return it, to be filled."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Run it, unless it was run already or the block raised."""
        if kind is None and not self._is_run:
            await self.run()


class Block(Deferred):
    """Runs when its `with` block is left."""

    def execute(self) -> list[Any]:
        """Run it and return the results, in order."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Return it, to be filled."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Run it, unless it was run already or the block raised."""
        if kind is None and not self._is_run:
            self.execute()
