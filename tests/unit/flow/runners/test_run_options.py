"""Run options: the defaults are a run in this process that reports to nobody."""

from __future__ import annotations

import pickle

from pipeline.flow.runners.beam_options import RUNNERS
from pipeline.flow.runners.run_options import EMBEDDED, RunOptions
from pipeline.flow.summary import Tally


def test_without_options_a_run_is_one_process_of_this_machine() -> None:
    options = RunOptions()
    assert (options.workers, options.runner, options.beam_options) == (1, EMBEDDED, ())
    options.prepare()
    options.on_stop()
    options.on_commit(Tally())


def test_the_runner_of_this_machine_is_one_of_the_supported() -> None:
    assert EMBEDDED in RUNNERS


def test_what_workers_prepare_travels_to_them() -> None:
    assert pickle.loads(pickle.dumps(RunOptions().prepare))() is None
