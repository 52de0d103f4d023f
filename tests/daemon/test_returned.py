"""The frames that a callback in a process of its own returns, to their last account."""

from pathlib import Path

from tests.running import running

CONFIG = """
[pipelines.cam0.source]
kind = "synthetic"
fps = 0
[pipelines.cam0.ring]
slots = 3
overflow = "none"
when_full = "wait"
[pipelines.cam0.encoder]
input = "callback:same"
[[pipelines.cam0.callbacks]]
name = "same"
target = "{folder}/same.py:same"
policy = "every"
"""


def test_a_callback_that_waits_for_the_encoder_drops_nothing(tmp_path: Path) -> None:
    code = "def same(buffer, queue):\n    return buffer[-1]\n"
    (tmp_path / "same.py").write_text(code)

    with running(tmp_path, CONFIG) as daemon:
        told = daemon.call("session.start", frames=100, wait="done")
        counts = told["sessions"][0]["counts"]

    assert counts["callbacks"]["same"]["output"] == {
        "captured": 100,
        "published": 100,
        "dropped": {},
        "staged": 0,
    }
    assert counts["encoders"]["main"]["recorded"] == 100
