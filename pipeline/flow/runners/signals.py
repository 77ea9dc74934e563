"""Signals as a request to stop: the first one ends a run cleanly, a second SIGINT at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """Whether somebody asked this process to stop, and by which signal."""

    def __init__(self, acknowledge: Callable[[], None] | None = None) -> None:
        self.signal: int | None = None
        self._acknowledge = acknowledge
        self._tell: Callable[[], None] | None = None

    def tell(self, whom: Callable[[], None]) -> None:
        """Call `whom` when the request comes, at once if it has already come.

        It is called in a signal handler: it may set a flag, and not much else.
        """
        self._tell = whom
        if self.signal is not None:
            whom()

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        if self.signal is None:
            self.signal = number
            if self._acknowledge is not None:
                self._acknowledge()
        if self._tell is not None:
            self._tell()


@contextmanager
def stop_on_signals(acknowledge: Callable[[], None] | None = None) -> Iterator[Stop]:
    """Take SIGTERM and SIGINT as a request to stop while the block runs.

    `acknowledge` is called at the first one, in the signal handler: before what is under way is
    finished, which may take seconds. Outside the main thread no signal arrives, so there nothing
    is changed.
    """
    stop = Stop(acknowledge)
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, stop._receive) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
