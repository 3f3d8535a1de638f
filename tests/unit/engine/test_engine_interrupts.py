"""Signals: taken wherever they arrive, told once, never lost, and what runs is given time to put away what it holds."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from distill.engine.interrupts import catch, check, finish, take_again


def _interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


class _InterruptedWhenFreed:
    """Its finaliser is where the signal arrives: Python cannot raise there."""

    def __del__(self) -> None:
        _interrupt()


def _wait_for_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt):
        time.sleep(30)


def test_an_interrupt_within_a_finaliser_is_raised_a_moment_later():
    with catch() as interrupts:
        thing = _InterruptedWhenFreed()
        del thing
        _wait_for_interrupt()
    assert interrupts.exit_code == 130


def test_an_interrupt_that_somebody_swallowed_is_raised_at_the_next_check():
    with catch():
        with suppress(BaseException):  # as libraries do around an optional import
            _interrupt()
        with pytest.raises(KeyboardInterrupt):
            check()
    check()


def test_a_coroutine_is_cancelled_and_puts_away_what_it_holds():
    ends: list[str] = []

    async def work() -> None:
        try:
            asyncio.get_running_loop().call_soon(_interrupt)
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0.01)
            ends.append("put away")

    with catch(), pytest.raises(KeyboardInterrupt):
        finish(work())
    assert ends == ["put away"]


def test_a_coroutine_that_ignores_its_cancellation_does_not_lose_the_interrupt():
    async def work() -> str:
        asyncio.get_running_loop().call_soon(_interrupt)
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            return "bought all"
        return ""

    with catch(), pytest.raises(KeyboardInterrupt):
        finish(work())


def test_a_coroutine_that_fails_while_it_is_cancelled_does_not_lose_the_interrupt():
    async def work() -> None:
        _interrupt()
        try:
            await asyncio.sleep(30)
        finally:
            raise ValueError("closing failed")

    with catch(), pytest.raises(KeyboardInterrupt):
        finish(work())


def test_a_coroutine_does_not_begin_after_an_interrupt():
    async def work() -> None:
        raise AssertionError("it began")

    with catch():
        with pytest.raises(KeyboardInterrupt):
            _interrupt()
        with pytest.raises(KeyboardInterrupt):
            finish(work())


def test_sigterm_is_taken_likewise_with_a_code_of_its_own():
    with catch() as interrupts:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        assert interrupts.exit_code == 143


def test_a_signal_that_a_library_has_taken_is_taken_back():
    with catch():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(15))
        take_again()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)


def test_two_signals_in_quick_succession_are_one():
    with catch():
        with pytest.raises(KeyboardInterrupt):
            _interrupt()
        _interrupt()


def test_the_handlers_and_the_hook_of_before_come_back():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM), sys.unraisablehook
    with catch():
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert before == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM), sys.unraisablehook)


def test_under_a_launcher_sigterm_keeps_its_default(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with catch():
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def _start(code: str, **more: object) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", "from distill.engine.interrupts import *\nimport os, signal, sys, time\n" + code]
    return subprocess.Popen(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)  # type: ignore[call-overload]


def _say(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


_STUBBORN = """
with catch() as interrupts:
    try:
        print("ready", flush=True)
        time.sleep(60)
    finally:
        print("putting away", flush=True)
        time.sleep(0.7)
        print("still", flush=True)
        time.sleep(60)
"""


def test_a_second_ctrl_c_ends_a_process_that_does_not_end():
    child = _start(_STUBBORN)
    assert _say(child) == "ready"
    child.send_signal(signal.SIGINT)
    assert [_say(child), _say(child)] == ["putting away", "still"]
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=30)
    assert (child.returncode, err) == (130, "distill: stopped at once; run the same command again to resume\n")


_CUT_OFF_IN_EXEC = """
with catch(ends_process=True) as interrupts:
    try:
        exec("os.kill(os.getpid(), signal.SIGINT); time.sleep(60)")
    except KeyboardInterrupt:
        interrupts.close()
sys.exit(interrupts.exit_code)
"""


def test_text_that_was_run_when_the_signal_came_does_not_decide_the_exit_code():
    child = _start(_CUT_OFF_IN_EXEC)
    child.communicate(timeout=30)
    assert child.returncode == 130


_ENDED = """
with catch(ends_process=True) as interrupts:
    interrupts.close()
    os.kill(os.getpid(), signal.SIGINT)
os.kill(os.getpid(), signal.SIGINT)
sys.exit(4)
"""


def test_ctrl_c_after_the_end_changes_no_exit_code():
    child = _start(_ENDED)
    _, err = child.communicate(timeout=30)
    assert (child.returncode, err) == (4, "")


_IGNORED = """
with catch() as interrupts:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.05)
    print("went on", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)
"""


def test_ctrl_c_stays_ignored_in_the_background_of_a_script_and_sigterm_ends_it():
    child = _start(_IGNORED, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    out, err = child.communicate(timeout=30)
    assert out == "went on\n"
    assert "KeyboardInterrupt" in err
