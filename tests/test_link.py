"""What goes over a link arrives whole, with its descriptors, or not at all."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from imagemp.errors import LinkClosedError, RingError
from imagemp.link import MAX_FDS, MAX_PACKET, Link, close_all, pair, receive_packet


class Note(msgspec.Struct, tag=True, frozen=True):
    """A message."""

    text: str = ""


class Number(msgspec.Struct, tag=True, frozen=True):
    """Another one."""

    n: int


Ends = tuple[Link[Note | Number], Link[Note | Number]]
FRAME = len(msgspec.json.encode(Note()))  # of a packet, around the text


@pytest.fixture
def ends() -> Iterator[Ends]:
    here, there = (Link[Note | Number](sock, Note | Number) for sock in pair())
    yield here, there
    here.close()
    there.close()


def open_fds() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_messages_arrive_whole_and_in_order(ends: Ends) -> None:
    here, there = ends
    sent = [Note("a"), Number(1), Note("b" * 60000), Note("ü\n\0")]

    for message in sent:
        assert here.send(message)

    assert [there.receive() for _ in sent] == [(message, []) for message in sent]
    assert there.receive() is None


def test_descriptors_arrive_with_their_message_and_do_not_survive_exec(
    ends: Ends,
) -> None:
    here, there = ends
    counter = os.eventfd(7)
    here.send(Note("none"))
    here.send(Note("two"), [counter, counter])
    os.close(counter)

    first, second = there.receive(), there.receive()

    assert first == (Note("none"), [])
    assert second is not None
    fds = second[1]
    assert [os.get_inheritable(fd) for fd in fds] == [False, False]
    assert os.eventfd_read(fds[1]) == 7
    close_all(fds)


def test_a_message_of_the_largest_size_passes_and_a_larger_one_is_refused(
    ends: Ends,
) -> None:
    here, there = ends
    largest = Note("x" * (MAX_PACKET - FRAME))

    assert here.send(largest)
    with pytest.raises(RingError, match=f"{MAX_PACKET + 1} bytes, at most"):
        here.send(Note(largest.text + "x"))

    assert there.receive() == (largest, [])
    assert there.receive() is None


def test_a_peer_that_does_not_read_costs_a_false_and_no_time(ends: Ends) -> None:
    here, there = ends
    taken = 0
    while here.send(Number(taken)):
        taken += 1

    there.receive()

    assert taken > 167  # what the kernel's own buffer holds
    assert here.send(Number(-1))


def test_what_was_sent_before_the_peer_left_is_read_first(ends: Ends) -> None:
    here, there = ends
    here.send(Note("last words"))
    here.close()

    assert there.receive() == (Note("last words"), [])
    with pytest.raises(LinkClosedError, match="closed"):
        there.receive()


def test_sending_to_a_peer_that_left_says_so(ends: Ends) -> None:
    here, there = ends
    there.close()

    with pytest.raises(LinkClosedError):
        here.send(Note())


def test_a_packet_that_was_cut_off_closes_the_link_and_leaks_nothing(
    ends: Ends,
) -> None:
    here, there = ends
    before = open_fds()
    socket.send_fds(here.sock, [b"x" * (MAX_PACKET + 1)], [0, 1])

    with pytest.raises(LinkClosedError, match="cut off"):
        there.receive()

    assert open_fds() == before


@pytest.mark.parametrize("n", [MAX_FDS, MAX_FDS + 2])
def test_more_descriptors_than_a_message_may_have_are_refused(
    ends: Ends, n: int
) -> None:
    here, there = ends
    before = open_fds()
    here.send(Note(), [0] * n)

    if n <= MAX_FDS:
        received = there.receive()
        assert received is not None
        assert len(received[1]) == n
        close_all(received[1])
    else:
        with pytest.raises(LinkClosedError, match="cut off"):
            there.receive()

    assert open_fds() == before


@pytest.mark.parametrize("packet", [b"{", b'{"type":"Stranger"}', b'{"type":"Number"}'])
def test_a_message_that_may_not_come_in_leaks_no_descriptors(
    ends: Ends, packet: bytes
) -> None:
    here, there = ends
    before = open_fds()
    socket.send_fds(here.sock, [packet], [0, 1])

    with pytest.raises(msgspec.DecodeError):
        there.receive()

    assert open_fds() == before
    assert there.receive() is None


def test_an_empty_packet_is_the_end_of_a_link(ends: Ends) -> None:
    here, there = ends
    here.sock.send(b"")

    with pytest.raises(LinkClosedError):
        receive_packet(there.sock)


def test_a_link_may_be_closed_twice(ends: Ends) -> None:
    here, there = ends

    here.close()
    here.close()

    with pytest.raises(LinkClosedError):
        there.receive()
