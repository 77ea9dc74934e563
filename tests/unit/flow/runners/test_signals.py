"""A signal is acknowledged at once, asks once, and a second SIGINT does not wait."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from pipeline.flow.runners.signals import stop_on_signals


def test_a_stop_is_acknowledged_once_and_before_anybody_is_told() -> None:
    order: list[str] = []
    with stop_on_signals(lambda: order.append("acknowledged")) as stop:
        stop.tell(lambda: order.append("told"))
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
    assert order == ["acknowledged", "told", "told"]
    assert stop.signal == signal.SIGTERM


def test_a_second_interrupt_does_not_wait() -> None:
    with pytest.raises(KeyboardInterrupt), stop_on_signals():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)


def test_who_is_told_late_is_told_at_once() -> None:
    told: list[int] = []
    with stop_on_signals() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        stop.tell(lambda: told.append(1))
    assert told == [1]


def test_handlers_are_those_of_before_when_the_block_ends() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_signals():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_in_another_thread_nothing_is_changed() -> None:
    found: list[object] = []

    def work() -> None:
        with stop_on_signals():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGTERM)]
