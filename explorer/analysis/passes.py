"""How many forward passes a long piece of work has made, told as one count however many parts it has."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

OnStep = Callable[[int, int], None]


class Passes:
    """Tells on_step(done, total): `done` never falls, ends at `total`, and what on_step raises ends the work."""

    def __init__(self, on_step: OnStep | None, total: int):
        self.on_step, self.total, self.done = on_step, total, 0

    @contextmanager
    def part(self, size: int) -> Iterator[OnStep]:
        """Around a part of `size` passes; gives the on_step of that part, which need not be called at all."""
        before = self.done
        yield lambda done, of: self._tell(before + size * done // max(of, 1))
        self._tell(before + size)

    def _tell(self, done: int) -> None:
        if done > self.done:
            self.done = done
            if self.on_step:
                self.on_step(done, self.total)
