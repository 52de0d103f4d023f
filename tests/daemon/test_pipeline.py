"""Which workers and rings a pipeline has, and who reads which, by configuration."""

import pytest

from imagemp.config import Config, parse
from imagemp.daemon.pipeline import SOURCE, PipelinePlan, changed_pipelines
from imagemp.errors import ConfigError

from .plans import ENCODER, callback, planned


def readers(plan: PipelinePlan) -> dict[str, list[str]]:
    """Give by ring who reads it; evictable ones in brackets."""
    return {
        ring.name: [
            f"({r.worker})" if r.evictable else f"{r.worker}" for r in ring.readers
        ]
        for ring in plan.rings
    }


def configured(data_dir: str = "/data", **fps: int) -> Config:
    """Give a configuration whose pipelines have these rates."""
    source = "[pipelines.{}.source]\nkind = 'synthetic'\nfps = {}\n"
    pipelines = "".join(source.format(*each) for each in fps.items())
    return parse(f"[daemon]\ndata_dir = '{data_dir}'\n{pipelines}")


def test_a_source_alone_has_a_ring_and_one_worker() -> None:
    plan = planned()

    assert [(w.name, w.kind) for w in plan.workers] == [("capture", "capture")]
    assert readers(plan) == {SOURCE: []}


def test_an_encoder_reads_the_source_and_is_never_evicted() -> None:
    plan = planned(ENCODER)

    assert [w.name for w in plan.workers] == ["capture", "main"]
    assert readers(plan) == {SOURCE: ["main"]}
    (reader,) = plan.rings[0].readers
    assert (reader.policy, reader.allowance, reader.is_outside) == ("every", 0, False)


def test_each_encoder_is_a_worker_that_reads_what_feeds_it() -> None:
    plan = planned(
        "encoder = [{}, {name='small', input='callback:blur'}, {name='raw'}]"
        + callback("blur", 'policy = "every"')
        + callback("shapes", "inline = true")
    )

    encoders = [worker for worker in plan.workers if worker.kind == "encoder"]
    assert [w.name for w in encoders] == ["main", "small", "raw"]
    assert [w.config["is_keeper"] for w in encoders] == [True, False, False]
    assert [w.callbacks for w in encoders] == [("shapes",), (), ()]
    assert readers(plan) == {
        SOURCE: ["main", "raw", "blur"],
        "callback:blur": ["small"],
    }


@pytest.mark.parametrize(
    ("policy", "seen"), [("latest", "motion"), ("every", "(motion)")]
)
def test_a_callback_is_a_worker_with_a_ring_of_its_own(policy: str, seen: str) -> None:
    plan = planned(ENCODER + callback("motion", f'policy = "{policy}"'))

    assert [(w.name, w.kind) for w in plan.workers] == [
        ("capture", "capture"),
        ("main", "encoder"),
        ("motion", "callback"),
    ]
    assert readers(plan) == {SOURCE: ["main", seen], "callback:motion": []}
    assert [ring.producer for ring in plan.rings] == ["capture", "motion"]


def test_the_callback_that_feeds_the_encoder_is_never_evicted() -> None:
    plan = planned(
        'encoder = { input = "callback:blur" }'
        + callback("motion", 'policy = "every"')
        + callback("blur", 'policy = "every"')
    )

    assert readers(plan) == {
        SOURCE: ["(motion)", "blur"],
        "callback:motion": [],
        "callback:blur": ["main"],
    }
    assert plan.workers[1].config["input"] == ""


def test_a_callback_reads_the_ring_of_the_one_that_feeds_it() -> None:
    plan = planned(
        ENCODER
        + callback("blur", 'policy = "every"')
        + callback("peak", 'policy = "every"\ninput = "callback:blur"')
        + callback("show", 'input = "callback:blur"')
    )

    assert readers(plan) == {
        SOURCE: ["main", "(blur)"],
        "callback:blur": ["(peak)", "show"],
        "callback:peak": [],
        "callback:show": [],
    }


def test_nobody_in_a_chain_that_ends_in_a_recording_is_evicted() -> None:
    every = 'policy = "every"\n'
    plan = planned(
        'encoder = { input = "callback:third" }'
        + callback("first", every)
        + callback("second", every + 'input = "callback:first"')
        + callback("aside", every + 'input = "callback:first"')
        + callback("third", every + 'input = "callback:second"')
    )

    assert readers(plan) == {
        SOURCE: ["first"],
        "callback:first": ["second", "(aside)"],
        "callback:second": ["third"],
        "callback:aside": [],
        "callback:third": ["main"],
    }


def test_an_inline_callback_runs_in_the_encoder_and_has_no_ring() -> None:
    plan = planned(ENCODER + callback("motion", "inline = true"))

    assert [w.name for w in plan.workers] == ["capture", "main"]
    assert readers(plan) == {SOURCE: ["main"]}
    encoder = plan.workers[1]
    assert encoder.callbacks == ("motion",)
    assert encoder.config["input"] == ""
    assert [c["target"] for c in encoder.config["callbacks"]] == ["user:motion"]


def test_an_encoder_fed_by_an_inline_callback_reads_the_source() -> None:
    plan = planned(
        'encoder = { input = "callback:blur" }'
        + callback("blur", 'inline = true\npolicy = "every"')
    )

    assert readers(plan) == {SOURCE: ["main"]}
    assert plan.workers[1].config["input"] == "blur"


@pytest.mark.parametrize("fed", ["none", "apart", "inline"])
@pytest.mark.parametrize("other", ["", "latest", "every", "inline"])
def test_a_recording_is_read_once_and_from_the_ring_it_is_fed_by(
    fed: str, other: str
) -> None:
    more = "" if fed == "none" else callback("blur", 'policy = "every"')
    more += "inline = true\n" if fed == "inline" else ""
    more += callback("motion") if other else ""
    more += "inline = true\n" if other == "inline" else ""
    more += f'policy = "{other}"\n' if other in ("latest", "every") else ""
    config = "encoder = {}" if fed == "none" else 'encoder = {input="callback:blur"}'

    plan = planned(f"{config}\n{more}")

    read = {ring.name: [r.worker for r in ring.readers] for ring in plan.rings}
    found = [name for name, workers in read.items() if "main" in workers]
    assert found == ["callback:blur" if fed == "apart" else SOURCE]
    workers = {worker.name for worker in plan.workers}
    assert {ring.producer for ring in plan.rings} <= workers
    assert {worker for names in read.values() for worker in names} <= workers
    assert workers == {"capture", *(w for names in read.values() for w in names)}


def test_it_is_known_which_worker_runs_a_callback() -> None:
    plan = planned(ENCODER + callback("motion") + callback("inner", "inline = true"))

    assert plan.callbacks == ["inner", "motion"]
    assert plan.worker_of("motion") == "motion"
    assert plan.worker_of("inner") == "main"
    assert plan.worker_of("main") is None


def test_overflow_goes_where_recordings_go_unless_told_otherwise() -> None:
    assert planned().ring["overflow_dir"] == "/data"
    assert planned('ring = { overflow_dir = "/fast" }').ring["overflow_dir"] == "/fast"


def test_only_a_pipeline_with_a_timetable_is_armed() -> None:
    free, timed = planned(), planned("schedule = { every_s = 10 }")

    assert (free.armed, free.schedule) == (False, None)
    assert timed.armed
    assert timed.schedule is not None
    assert timed.schedule["every_s"] == 10


def test_the_rate_is_what_the_configuration_says_of_it() -> None:
    assert planned().target_fps == 50.0


def test_a_reload_replaces_what_has_changed_or_is_gone_and_nothing_else() -> None:
    old, new = configured(same=1, other=1, gone=1), configured(same=1, other=2, new=1)

    assert changed_pipelines(old, new, ()) == {"other", "gone"}


def test_another_data_dir_changes_all_that_are_not_at_work() -> None:
    old, new = configured(idle=1, busy=1), configured("/mnt", idle=1, busy=1)

    assert changed_pipelines(old, new, ["busy"]) == {"idle"}


@pytest.mark.parametrize("new", [configured(busy=2), configured()])
def test_a_pipeline_at_work_is_neither_changed_nor_taken_away(new: Config) -> None:
    with pytest.raises(ConfigError, match="busy: has changed") as refused:
        changed_pipelines(configured(busy=1), new, ["busy"])

    assert refused.value.hint == "imagectl stop busy, then reload again"
