"""The thread that makes things durable."""

import errno
import threading

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
