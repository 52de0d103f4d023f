"""The thread that makes things durable."""

import errno
import threading
import time

from imagemp.recording.syncing import SyncThread


def test_one_sync_serves_all_that_was_marked_before_it() -> None:
    synced = threading.Semaphore(0)
    thread = SyncThread(synced.release, period_s=0.001)

    for _ in range(100):
        thread.mark()
    assert synced.acquire(timeout=10)
    thread.mark()
    assert synced.acquire(timeout=10)
    thread.close()


def test_nothing_is_synced_that_was_not_marked() -> None:
    calls: list[int] = []
    thread = SyncThread(lambda: calls.append(1), period_s=0)

    thread.close()
    thread.close()

    assert calls == []


def test_closing_does_not_wait_for_the_period() -> None:
    thread = SyncThread(lambda: None, period_s=3600)

    thread.mark()
    thread.close()

    assert thread.error is None


def test_an_error_ends_the_thread_and_is_kept() -> None:
    called = threading.Event()

    def fail() -> None:
        called.set()
        raise OSError(errno.EIO, "Input/output error")

    thread = SyncThread(fail, period_s=0)
    thread.mark()
    assert called.wait(10)
    thread.close()

    assert thread.error is not None
    assert thread.error.errno == errno.EIO


def test_the_lag_is_that_of_the_oldest_mark_until_it_is_synced() -> None:
    begun, may_end = threading.Semaphore(0), threading.Semaphore(0)

    def sync() -> None:
        begun.release()
        assert may_end.acquire(timeout=10)

    thread = SyncThread(sync, period_s=0)
    lags = [thread.lag_s()]
    thread.mark()
    assert begun.acquire(timeout=10)
    lags.append(thread.lag_s())
    second_at = time.monotonic()
    thread.mark()
    lags.append(thread.lag_s())
    may_end.release()
    assert begun.acquire(timeout=10)
    of_the_second, most = thread.lag_s(), time.monotonic() - second_at
    may_end.release()
    thread.close()

    assert 0 == lags[0] < lags[1] < lags[2]
    assert 0 < of_the_second <= most
    assert thread.lag_s() == 0
