import io

import pytest

from pesforge.progress import Progress, duration


@pytest.mark.parametrize(("seconds", "words"), [(3, "3 s"), (89, "89 s"), (600, "10 min"), (6000, "1 h 40 min")])
def test_durations_in_words(seconds, words):
    assert duration(seconds) == words


def test_the_rate_counts_only_what_was_done_now():
    stream = io.StringIO()
    progress = Progress("label", 48, stream=stream, least_interval_s=0.0)
    progress.begin_at(40)
    progress.started -= 60.0
    progress.update(44)
    assert stream.getvalue() == "label          44/48  4.0 per minute, about 60 s left\n"


def test_lines_are_rare_but_the_last_one_is_always_written():
    stream = io.StringIO()
    progress = Progress("label", 1000, stream=stream, least_interval_s=60.0)
    for done in range(1, 1001):
        progress.update(done)
    assert len(stream.getvalue().splitlines()) == 2
    assert stream.getvalue().endswith("1000/1000\n")
