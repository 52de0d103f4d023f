"""The last message of each topic, and its place in the count."""

import msgspec
import pytest

from imagemp.daemon.workers.board import Board


def test_each_topic_counts_for_itself() -> None:
    board = Board("run", start_ns=5_000)

    frames = [board.frame(topic, {}, 1, 2) for topic in ("a", "b", "a")]

    seqs = [msgspec.json.decode(frame[2:])["seq"] for frame in frames]
    assert seqs == [6, 6, 7]


def test_a_later_board_counts_on_from_higher() -> None:
    old, new = Board("run", start_ns=0), Board("run", start_ns=10**9)
    last = [old.frame("a", {}, n, n) for n in range(1000)][-1]

    first = new.frame("a", {}, 0, 0)

    assert msgspec.json.decode(first[2:])["seq"] > msgspec.json.decode(last[2:])["seq"]


def test_the_envelope_cannot_be_forged() -> None:
    frame = Board("run", 0).frame("a", {"seq": 99, "x": 1}, 7, 8)

    assert frame == (
        b'a {"v":1,"instance":"run","seq":1,"t_mono_ns":7,"t_unix_ns":8,"x":1}'
    )


def test_a_subscription_covers_the_topics_that_begin_so() -> None:
    board = Board("run", 0)
    a, ab = (board.frame(topic, {}, 0, 0) for topic in ("a", "ab"))

    assert board.matching(b"a") == [a, ab]
    assert board.matching(b"a ") == [a]
    assert board.matching(b"c") == []


def test_what_cannot_be_written_is_neither_kept_nor_counted() -> None:
    board = Board("run", 0)

    with pytest.raises(ValueError, match="surrogates"):
        board.frame("a", {"x": "\ud800"}, 0, 0)

    assert board.matching(b"") == []
    assert b'"seq":1,' in board.frame("a", {}, 0, 0)
