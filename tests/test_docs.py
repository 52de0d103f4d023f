"""What README and docs say is there, is there: commands, keys, files, names."""

import ast
import re
import shlex
import tomllib
from collections.abc import Iterable, Iterator
from inspect import signature
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest

from docs.generate.__main__ import FOLDER
from docs.generate.__main__ import PAGES as MADE
from imagemp.config import (
    CallbackConfig,
    ClassSource,
    DaemonConfig,
    EncoderConfig,
    FileSource,
    OpencvSource,
    OverlayConfig,
    PipelineConfig,
    PiSource,
    RingConfig,
    ScheduleConfig,
    Section,
    StereoSource,
    SyntheticSource,
    TelemetryConfig,
    parse,
)
from imagemp.ctl.main import VERBS, parser
from imagemp.daemon.accounts import Stage
from imagemp.daemon.life import State
from imagemp.errors import ConfigError
from imagemp.receiver import Receiver
from imagemp.ring import layout
from imagemp.ring.layout import DESC, FIRST_CELL

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "examples/README.md",
]
TOPS = ("imagemp", "daemon", "ctl", "docs", "examples", "tests", "etc", "systemd")
SECTIONS: dict[str, tuple[type[Section], ...]] = {
    "daemon": (DaemonConfig,),
    "telemetry": (TelemetryConfig,),
    "source": (
        *(SyntheticSource, FileSource, OpencvSource),
        *(PiSource, StereoSource, ClassSource),
    ),
    "schedule": (ScheduleConfig,),
    "overlay": (OverlayConfig,),
    "ring": (RingConfig,),
    "encoder": (EncoderConfig,),
    "callbacks": (CallbackConfig,),
}
KEYS = {
    name: {
        field.name for section in sections for field in msgspec.structs.fields(section)
    }
    for name, sections in SECTIONS.items()
}
ALL_KEYS = {
    "kind",
    *(field.name for field in msgspec.structs.fields(PipelineConfig)),
    *(key for keys in KEYS.values() for key in keys),
}
SUFFIXES = ("sock", "py", "md", "toml", "csv", "json", "tif", "service")
RING = ROOT / "docs/ring.md"
ARCHITECTURE = ROOT / "docs/architecture.md"


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


every_page = pytest.mark.parametrize("page", PAGES, ids=page_id)


def blocks(page: Path, language: str) -> list[str]:
    """Give the fenced blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S)


def prose(page: Path) -> str:
    """Give a page without its fenced blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)


def quoted(page: Path) -> list[str]:
    """Give what stands between backticks on one line."""
    return re.findall(r"`([^`\n]+)`", prose(page))


def anchor(heading: str) -> str:
    """Give the anchor that GitHub makes of a heading."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


def commands(page: Path) -> Iterator[str]:
    """Give each `imagectl` command, in a block of shell or between backticks."""
    lines = [line for line in page.read_text().splitlines() if line.startswith("    ")]
    for text in [*lines, *quoted(page)]:
        found = re.match(r"\s*(?:\$ |sudo )*(imagectl(?: [^|#>]*)?)$", _shell(text))
        if found:
            yield found[1].strip()


def _shell(line: str) -> str:
    """Give a line as far as its first command goes."""
    return re.split(r" [|>] | +# | && ", line)[0]


def loads(text: str) -> bool:
    """Say whether a configuration can be used."""
    try:
        parse(text)
    except ConfigError:
        return False
    return True


def table(page: Path, header: str) -> list[list[str]]:
    """Give the rows of the table with this header, cells without backticks."""
    _, found = page.read_text().split(f"\n{header}\n", maxsplit=1)
    rows = re.match(r"(?:\|.*\n)+", found)
    assert rows is not None
    cells = [row.strip("|").split("|") for row in rows[0].splitlines()[1:]]
    return [[cell.strip(" `") for cell in row] for row in cells]


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in target:
            continue
        name, _, place = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), target
        if place:
            headings = re.findall(r"^#+ (.+)$", there.read_text(), re.M)
            assert place in map(anchor, headings), target


@every_page
def test_every_path_is_there_and_has_the_name_it_is_said_to_have(page: Path) -> None:
    for text in quoted(page):
        found = re.fullmatch(rf"((?:{'|'.join(TOPS)})/[\w./-]*)(?::(\w+))?", text)
        if found is None:
            continue
        path, name = ROOT / found[1], found[2]
        assert path.exists(), text
        if name:
            defined = rf"^\s*(?:async )?(?:def|class) {name}\b|^{name}\b.* ="
            assert re.search(defined, path.read_text(), re.M), text


@every_page
def test_every_command_can_be_given(page: Path) -> None:
    for command in commands(page):
        words = [w for w in shlex.split(command)[1:] if w not in ("VERB", "PIPELINE")]
        if len(words) == 1 and not words[0].startswith("-"):
            assert words[0] in VERBS, command
        elif "--help" not in words:
            parser(VERBS).parse_args(words)


@every_page
def test_every_configuration_can_be_used(page: Path) -> None:
    first, *others = blocks(page, "toml") or [""]

    assert loads(first), first
    for block in others:
        assert loads(block) or loads(first + block), block


@every_page
def test_every_key_is_one(page: Path) -> None:
    for text in quoted(page):
        key = re.fullmatch(rf"({'|'.join(SECTIONS)})\.(\w+)(?: ?= ?.+)?", text)
        if key and key[2] not in SUFFIXES:
            assert key[2] in KEYS[key[1]], text
        setting = re.fullmatch(r'(\w+) = (?:"[\w:./-]+"|\d+|true|false|\{.*\})', text)
        if setting:
            assert setting[1] in ALL_KEYS, text


@every_page
def test_every_python_block_can_be_compiled(page: Path) -> None:
    for block in blocks(page, "python"):
        ast.parse(block)


@every_page
def test_every_test_that_is_named_is_there(page: Path) -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))

    named = {name for name in quoted(page) if re.fullmatch(r"test_\w+", name)}
    assert [name for name in named if f"def {name}(" not in tests] == []


def test_every_module_in_the_drawing_is_there() -> None:
    drawing = ET.parse(ROOT / "docs/architecture.svg")  # noqa: S314 - our own
    texts = " ".join(text for text in drawing.getroot().itertext())

    for name in re.findall(r"[\w/]+\.py", texts):
        folders = ("", "daemon", "daemon/workers")
        assert any((ROOT / folder / name).exists() for folder in folders), name


def test_every_message_in_the_drawing_and_the_architecture_is_one() -> None:
    folder = "daemon/workers/orders"
    places = (f"{folder}/down.py", f"{folder}/up.py", "imagemp/ring/handover.py")
    messages = "".join((ROOT / place).read_text() for place in places)
    drawing = (ROOT / "docs/architecture.svg").read_text()
    labels = re.findall(r'class="label-(?:setup|orders|reports)"[^>]*>([^<]+)', drawing)
    words = re.findall(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)*\b", " ".join(labels))

    assert [word for word in words if f"class {word}(" not in messages] == []


def test_the_floors_are_those_that_are_checked() -> None:
    text = ARCHITECTURE.read_text()
    tools: Any = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]

    for contract in tools["importlinter"]["contracts"]:
        if contract["type"] == "layers":
            floors = "".join(f"    {floor}\n" for floor in contract["layers"])
            assert floors in text, contract["name"]


def test_the_cells_lie_where_the_page_says() -> None:
    rows = table(RING, "| byte | cell | stored | for |")

    for byte, cell, *_ in rows:
        assert int(byte) == FIRST_CELL + 8 * getattr(layout, cell), cell


def test_the_desc_record_is_as_the_page_says() -> None:
    rows = table(RING, "| byte | size | field |")

    *fields, rest = [int(byte) for byte, _, _ in rows]
    assert fields == list(range(0, DESC.size, 8))
    assert rest == DESC.size


@pytest.mark.parametrize(
    ("header", "states"), [("of a session", Stage), ("of a worker", State)]
)
def test_the_states_are_those_that_there_are(
    header: str, states: Iterable[str]
) -> None:
    rows = table(ROOT / "docs/protocol.md", f"| {header} | |")

    assert [state for state, *_ in rows] == [str(state) for state in states]


def test_every_broken_rule_of_the_page_is_a_mutant_of_the_model() -> None:
    known = (ROOT / "tests/model/scenarios.py").read_text()
    rows = table(RING, "| rule | mutant | test |")

    named = {name for row in rows for name in re.findall(r"\w+", row[1])}
    assert {name for name in named if f'"{name}"' not in known} == set()
    assert set(re.findall(r'^    "(\w+)(?:/\w+)?": .*', _mutants(known), re.M)) == named


def _mutants(text: str) -> str:
    return text.partition("_RULES_BROKEN = {")[2].partition("\n}")[0] + "\n"


def test_the_arguments_of_a_receiver_are_those_that_it_takes() -> None:
    rows = table(ROOT / "docs/receivers.md", "| argument | default | |")

    taken = list(signature(Receiver).parameters)
    assert ["pipeline", *(name for name, *_ in rows)] == taken


def test_the_code_of_the_readme_is_that_of_the_example() -> None:
    example = (ROOT / "examples/subscribe.py").read_text()
    shown = next(b for b in blocks(ROOT / "README.md", "python") if "Telemetry" in b)

    assert shown.strip() in re.sub(r"  # noqa.*", "", example)


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs/README.md").read_text()

    pages = [p.relative_to(ROOT / "docs") for p in PAGES if "docs" in p.parts]
    assert [
        str(p) for p in pages if f"({p}" not in index and p.name != "README.md"
    ] == []


@pytest.mark.parametrize("name", MADE)
def test_a_page_of_the_reference_is_up_to_date(name: str) -> None:
    is_same = (FOLDER / name).read_text() == MADE[name]()

    assert is_same, f"docs/reference/{name} is not what the code says: run make docs"
