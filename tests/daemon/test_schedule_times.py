"""Times that come out of the user's file or generator."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from imagemp.errors import ConfigError

from .schedule_clock import MS, SECOND, begun, taken


def test_a_generator_is_taken_one_ahead_so_it_may_go_on_for_ever() -> None:
    drawn: list[int] = []

    def seconds() -> Iterator[int]:
        for n in count():
            drawn.append(n)
            yield n

    schedule = begun(seconds())

    assert taken(schedule, [0, SECOND]) == [0, SECOND]
    assert drawn == [0, 1, 2]
    assert not schedule.finished


@pytest.mark.parametrize(
    ("seconds", "problem"),
    [
        ([0, 2, 1], "schedule.generator: item 3 must be after 2, is 1"),
        ([0, 0], "schedule.generator: item 2 must be after 0, is 0"),
        ([-1], "schedule.generator: item 1 must be after the start, is -1"),
        (["soon"], "schedule.generator: item 1 must be seconds, is 'soon'"),
        ([float("nan")], "schedule.generator: item 1 must be seconds, is nan"),
        ([None], "schedule.generator: item 1 must be seconds, is None"),
    ],
)
def test_a_generator_that_does_not_ascend_is_refused(
    seconds: list[Any], problem: str
) -> None:
    with pytest.raises(ConfigError) as refusal:
        taken(begun(seconds), [i * SECOND for i in range(9)])

    assert str(refusal.value) == problem


@pytest.mark.parametrize(
    "text",
    [
        "0\n1\n2.5\n",
        "t_s\n0\n1\n2.5",
        "name,t_s\r\na,0\r\nb,1\r\nc,2.5\r\n",
        "\ufeff0\n\n1\n2.5",
    ],
)
def test_a_file_has_one_column_or_one_called_t_s(tmp_path: Path, text: str) -> None:
    file = tmp_path / "times.csv"
    file.write_text(text)

    got = taken(begun(file=str(file)), [i * 500 * MS for i in range(9)])

    assert got == [0, SECOND, 2_500 * MS]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must have a time in it, has none"),
        ("t_s\n", "must have a time in it, has none"),
        ("a,b\n1,2\n", "must have one column or a t_s, has a, b"),
        ("0\nx\n", "item 2 must be seconds, is 'x'"),
        ("1\n1\n", "item 2 must be after 1, is 1"),
        ("name,t_s\na\n", "item 1 must be seconds, is ''"),
    ],
)
def test_a_file_with_no_timetable_is_refused(
    tmp_path: Path, text: str, problem: str
) -> None:
    file = tmp_path / "times.csv"
    file.write_text(text)

    with pytest.raises(ConfigError, match=r"^schedule\.file: ") as refusal:
        begun(file=str(file))

    assert str(refusal.value).endswith(problem)


def test_a_file_that_is_missing_is_refused_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "none.csv"

    with pytest.raises(ConfigError, match=r"schedule\.file: .*none\.csv cannot be"):
        begun(file=str(file))


@pytest.mark.parametrize("what", ["plan", "listed"])
def test_a_generator_is_loaded_from_the_users_file(tmp_path: Path, what: str) -> None:
    file = tmp_path / "plan.py"
    file.write_text("def plan():\n    yield 1\n    yield 2\nlisted = [1, 2]\n")

    schedule = begun(generator=f"{file}:{what}")

    assert taken(schedule, [0, SECOND, 2 * SECOND]) == [SECOND, 2 * SECOND]


def test_a_generator_that_gives_nothing_to_iterate_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "plan.py"
    file.write_text("def plan():\n    return 3\n")

    with pytest.raises(ConfigError, match="must give seconds one by one"):
        begun(generator=f"{file}:plan")


def test_a_generator_that_raises_is_told_with_what_it_raised() -> None:
    def seconds() -> Iterator[int]:
        yield 0
        raise RuntimeError("no more tides")

    with pytest.raises(ConfigError) as refusal:
        taken(begun(seconds()), [0, SECOND])

    problem = "schedule.generator: raised RuntimeError: no more tides"
    assert str(refusal.value) == problem
