"""The lines of README and docs that are no `imagectl`, and who runs them."""

from . import shell_lines
from .test_docs import ROOT


def test_every_other_line_of_the_pages_is_run_or_left_to_a_person() -> None:
    known = {*shell_lines.SERVICE, *shell_lines.ELSEWHERE}

    assert shell_lines.given() - known == set()
    assert known - shell_lines.given() == set()


def test_where_those_lines_are_run_is_there() -> None:
    for line, proof in shell_lines.ELSEWHERE.items():
        if not proof.startswith(shell_lines.PERSON):
            file, _, text = proof.partition("::")
            assert text in (ROOT / file).read_text(), line
