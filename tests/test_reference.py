"""docs/reference has all that there is; that it is new, tests/test_docs.py says."""

import re

import imagemp
from docs.generate.__main__ import FOLDER, PAGES
from imagemp.codes import CODES
from imagemp.ctl.exits import Exit
from imagemp.ctl.main import VERBS
from imagemp.messages import METHODS


def headings(page: str) -> list[str]:
    return re.findall(r"^##+ (.+)$", (FOLDER / page).read_text(), re.M)


def test_there_is_no_page_that_nobody_makes() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(PAGES)


def test_every_verb_method_code_and_name_has_its_place() -> None:

    assert set(VERBS) <= set(headings("imagectl.md"))
    assert {"recordings show", "workers ls"} <= set(headings("imagectl.md"))
    assert set(METHODS) == {h.removesuffix(" *") for h in headings("protocol.md")} & {
        *METHODS
    }
    assert set(imagemp.__all__) <= set(headings("library.md"))
    told = (FOLDER / "protocol.md").read_text()
    assert [code for code in CODES if f"| `{code}` | " not in told] == []
    leaving = (FOLDER / "imagectl.md").read_text()
    assert [code for code in Exit if f"\n| {int(code)} | " not in leaving] == []
