"""Which frames are looked at: those that the caller chose, or else those that the detectors want."""

from __future__ import annotations

import pytest
from telltale_contracts import Sampling
from telltale_gateway.analysis.options import AnalysisOptions

DENSE, SLOW = Sampling(max_frames=256), Sampling(max_frames=60, fps=2.0)


@pytest.mark.parametrize(
    ("wanted", "looked_at"),
    [
        ([None], Sampling()),
        ([None, DENSE, None], DENSE),
        ([SLOW], SLOW),
        ([SLOW, None], Sampling(max_frames=60)),
        ([SLOW, Sampling(max_frames=8, fps=5.0)], Sampling(max_frames=60, fps=5.0)),
    ],
)
def test_where_nothing_is_chosen_the_densest_is_taken(wanted: list[Sampling | None], looked_at: Sampling) -> None:
    assert AnalysisOptions().sampling(wanted) == looked_at


def test_what_the_caller_chose_stands() -> None:
    assert AnalysisOptions(max_frames=4).sampling([DENSE, SLOW]) == Sampling(max_frames=4)
    assert AnalysisOptions(max_frames=4, fps=1.0).sampling([DENSE]) == Sampling(max_frames=4, fps=1.0)
    assert AnalysisOptions(fps=25.0).sampling([DENSE, None]) == Sampling(max_frames=256, fps=25.0)
