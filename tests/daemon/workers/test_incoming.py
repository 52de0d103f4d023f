"""Whatever comes in, there is an answer, and it names what was wrong."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imagemp import messages
from imagemp.daemon.workers.incoming import Refusal, check
from imagemp.daemon.workers.orders import Asked
from imagemp.messages import METHODS, Request


def asked(**fields: object) -> Request | Refusal:
    """Check a request with these fields over a sound one's."""
    request = {"v": 1, "id": "c1", "method": "ping", **fields}
    return check([b"IMP1", json.dumps(request).encode()])


def refused(**fields: object) -> tuple[str, str]:
    """Give the code and the whole text of a refusal that bears the id."""
    refusal = asked(**fields)
    assert isinstance(refusal, Refusal)
    assert refusal.id == "c1"
    return refusal.problem.code, f"{refusal.problem.message}; {refusal.problem.hint}"


def text_of(frames: list[bytes]) -> tuple[str, str]:
    """Give the code and message of a refusal."""
    refusal = check(frames)
    assert isinstance(refusal, Refusal)
    return refusal.problem.code, refusal.problem.message


def test_a_sound_request_comes_out_with_its_defaults() -> None:
    request = asked(method="trigger", params={"n": 3}, idem="x", deadline_ms=5)

    assert request == Request(1, "c1", "trigger", {"pipelines": [], "n": 3}, 5, "x")


@pytest.mark.parametrize("count", [0, 1, 3, 1000])
def test_any_number_of_frames_but_two_is_refused(count: int) -> None:
    assert text_of([b"IMP1"] * count) == (
        "E_FRAME",
        f"message of {count} frames, expected 2",
    )


@pytest.mark.parametrize("magic", [b"", b"IMP2", b"imp1", b"GET / HTTP/1.1", b"\xff"])
def test_another_magic_is_refused(magic: bytes) -> None:
    assert text_of([magic, b"{}"])[0] == "E_FRAME"


def test_a_request_may_have_64_kib_and_no_more() -> None:
    room = messages.MAX_MESSAGE - 4

    assert text_of([b"IMP1", b" " * room])[0] == "E_JSON"
    assert text_of([b"IMP1", b" " * (room + 1)])[0] == "E_TOO_LARGE"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"[]",
        b"5",
        b"null",
        b'"text"',
        b'{"v":1',
        b'{"v":1}}',
        b'{"v":NaN}',
        b'{"v":1e999}',
        b'{"v":"\xff"}',
        b'{"v":"\\ud800"}',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b"[" * 60000,
        b'{"a":' * 10000,
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"v":1,"id":"c1","v":1}',
        b'{"v":1,"params":{"n":1,"n":2}}',
    ],
)
def test_what_is_not_one_json_object_is_refused(body: bytes) -> None:
    assert text_of([b"IMP1", body])[0] == "E_JSON"


def test_a_key_that_stands_twice_is_named() -> None:
    assert "'n' stands there twice" in text_of([b"IMP1", b'{"n":1,"n":2}'])[1]


@pytest.mark.parametrize(("levels", "code"), [(62, None), (63, "E_JSON")])
def test_64_levels_are_deep_enough(levels: int, code: str | None) -> None:
    body: Any = 1
    for _ in range(levels):
        body = [body]

    request = asked(method="callback.send", params={"callback": "c", "body": body})

    assert (request.problem.code if isinstance(request, Refusal) else None) == code


@pytest.mark.parametrize("version", [0, 2, 1.0, True, "1", None, [], {"a": "b" * 9999}])
def test_another_version_is_refused_and_both_are_named(version: object) -> None:
    code, text = refused(v=version)

    assert code == "E_VERSION"
    assert f"{version!r}"[:20] in text
    assert "speaks version 1" in text


def test_an_unknown_method_is_refused_with_the_closest() -> None:
    assert refused(method="sessions.start") == (
        "E_METHOD",
        "no method 'sessions.start'; did you mean 'session.start'?",
    )


def test_a_misspelt_parameter_is_refused_with_the_right_one() -> None:
    assert refused(method="session.start", params={"duraton_s": 60}) == (
        "E_PARAMS",
        "session.start has no 'duraton_s'; did you mean 'duration_s'?",
    )


def test_a_misspelt_field_of_the_request_is_refused_too() -> None:
    code, text = refused(deadline=5)

    assert (code, "deadline_ms" in text) == ("E_PARAMS", True)


@pytest.mark.parametrize(
    ("method", "params", "named"),
    [
        ("session.start", {"frames": 0}, "frames"),
        ("session.start", {"duration_s": "60"}, "duration_s"),
        ("session.start", {"pipelines": [1]}, "pipelines[0]"),
        ("session.start", {"at": "soon"}, "at: expected an ISO time"),
        ("session.start", [], "params"),
        ("callback.send", {"callback": "motion"}, "body"),
        ("ping", {"x": 1}, "it takes: nothing"),
    ],
)
def test_an_impossible_parameter_is_named(
    method: str, params: object, named: str
) -> None:
    code, text = refused(method=method, params=params)

    assert (code, named in text) == ("E_PARAMS", True)


@pytest.mark.parametrize("bad_id", [5, None, "", "x" * 65, ["c1"]])
def test_an_id_must_be_a_short_text(bad_id: object) -> None:
    refusal = asked(id=bad_id)

    assert isinstance(refusal, Refusal)
    assert (refusal.id, refusal.problem.code) == ("", "E_PARAMS")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
FIELDS = sorted({f for kind in METHODS.values() for f in kind.__struct_fields__})
REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "v": st.just(1) | ANYTHING,
        "id": st.text(max_size=70) | ANYTHING,
        "method": st.sampled_from(sorted(METHODS)) | ANYTHING,
        "params": st.dictionaries(st.sampled_from(FIELDS), ANYTHING) | ANYTHING,
        "deadline_ms": st.integers() | ANYTHING,
        "idem": ANYTHING,
        "other": ANYTHING,
    },
)


@settings(deadline=None)
@given(st.lists(st.binary() | st.just(b"IMP1")))
def test_no_bytes_make_it_raise(frames: list[bytes]) -> None:
    assert isinstance(check(frames), Refusal)


@settings(deadline=None)
@given(st.binary())
def test_no_second_frame_makes_it_raise(body: bytes) -> None:
    assert isinstance(check([b"IMP1", body]), Refusal)


@settings(deadline=None)
@given(REQUESTS | ANYTHING)
@example({"v": 10**4999})
@example({"v": 1, "id": "a", "method": "x" * 60000})
def test_no_json_makes_it_raise_and_what_passes_can_be_passed_on(told: object) -> None:
    try:
        body = json.dumps(told).encode()
    except ValueError:
        body = b'{"v":1' + b"0" * 4999 + b"}"

    checked = check([b"IMP1", body])

    if isinstance(checked, Request):
        passed = Asked(1, checked.method, checked.params, idem=checked.idem)
        assert msgspec.json.decode(msgspec.json.encode(passed), type=Asked) == passed
        msgspec.convert(checked.params, METHODS[checked.method])
