"""Who asks too often, or has too much to wait for, is told so; others are not."""

import pytest

from imagemp.daemon.workers.limits import (
    FEW_CLIENTS,
    MAX_CLIENTS,
    MAX_PENDING,
    MAX_WAITING,
    Bucket,
    Rates,
    Waiting,
)
from imagemp.messages import Request


def test_a_bucket_lets_a_burst_through_and_then_so_many_a_second() -> None:
    bucket = Bucket(per_s=10, burst=3, now=0)

    assert [bucket.take(0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(0.1) for _ in range(2)] == [True, False]
    assert not bucket.is_full(0.3)
    assert bucket.is_full(100)


def test_each_connection_has_a_rate_of_its_own() -> None:
    rates = Rates(per_s=1, burst=1)

    assert rates.count(b"a", 0) is None
    problem = rates.count(b"a", 0)
    assert problem is not None
    assert (problem.code, problem.retryable) == ("E_RATE", True)
    assert rates.count(b"b", 0) is None


@pytest.mark.parametrize("now", [0.0, 1000.0])
def test_connections_long_gone_are_forgotten(now: float) -> None:
    rates = Rates(per_s=1, burst=1)

    for n in range(MAX_CLIENTS + 10):
        rates.count(b"%d" % n, now * n)

    assert len(rates._buckets) <= MAX_CLIENTS


def test_who_has_been_silent_is_forgotten_long_before_there_are_many() -> None:
    rates = Rates(per_s=1, burst=1)

    most = 0
    for n in range(1000):
        rates.count(b"%d" % n, 1000.0 * n)
        most = max(most, len(rates._buckets))

    assert most == FEW_CLIENTS


def test_nobody_is_forgotten_who_has_just_asked_often() -> None:
    rates = Rates(per_s=1, burst=1)
    for n in range(2 * FEW_CLIENTS):
        rates.count(b"%d" % n, 0)

    assert rates.count(b"0", 0) is not None


def test_a_connection_may_wait_for_32_answers_at_a_time() -> None:
    waiting, request = Waiting(7), Request(1, "c1", "status")
    tokens = [waiting.add(b"a", request, 0) for _ in range(MAX_PENDING)]

    problem = waiting.may_add(b"a")

    assert tokens == list(range(7, 7 + MAX_PENDING))
    assert problem is not None
    assert problem.code == "E_BUSY"
    assert waiting.may_add(b"b") is None
    waiting.remove(tokens[0])
    assert waiting.may_add(b"a") is None


def test_all_connections_together_may_wait_for_so_many_answers() -> None:
    waiting, request = Waiting(0), Request(1, "c1", "status")
    for n in range(MAX_WAITING):
        waiting.add(b"%d" % n, request, 0)

    assert waiting.may_add(b"new") is not None


def test_the_next_deadline_is_when_to_wake() -> None:
    waiting = Waiting(0)
    waiting.add(b"a", Request(1, "c1", "status"), 10)
    assert waiting.patience_ms(10) is None

    late = waiting.add(b"a", Request(1, "c2", "status", deadline_ms=500), 10)

    assert waiting.patience_ms(10) == 500
    assert waiting.late(10.4) == []
    assert [token for token, _ in waiting.late(10.5)] == [late]
    assert waiting.patience_ms(99) == 0
