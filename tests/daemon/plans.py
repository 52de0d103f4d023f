"""Plans of pipelines, as the configuration gives them."""

from imagemp.config import parse
from imagemp.daemon.pipeline import PipelinePlan, plan_pipeline

SOURCE = 'source = { kind = "synthetic", fps = 50 }'
ENCODER = "encoder = { name = 'main' }"
CALLBACK = """
[[pipelines.cam0.callbacks]]
name = "{name}"
target = "user:{name}"
"""


def planned(more: str = "", *, daemon: str = 'data_dir = "/data"') -> PipelinePlan:
    """Plan a pipeline `cam0` of the synthetic source."""
    text = f"[daemon]\n{daemon}\n[pipelines.cam0]\n{SOURCE}\n{more}"
    return plan_pipeline(parse(text), "cam0")


def callback(name: str, more: str = "") -> str:
    """Give the configuration of a callback."""
    return CALLBACK.format(name=name) + more + "\n"
