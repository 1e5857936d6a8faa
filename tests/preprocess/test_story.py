"""What was found, at any moment between those at which somebody looked."""

from __future__ import annotations

import pytest
from telltale_contracts import FaceMark, Moment
from telltale_preprocess.drawing.story import Story


def moment(t: float, score: float | None, *faces: tuple[int, float]) -> Moment:
    """Faces by track and x."""
    return Moment(t=t, score=score, faces=tuple(FaceMark(track=k, box=(x, 0, 10, 10), score=score) for k, x in faces))


STORY = Story([moment(0.0, 0.2, (0, 0.0)), moment(1.0, 0.8, (0, 100.0), (1, 50.0)), moment(5.0, None)])


def test_a_face_moves_evenly_between_two_looks() -> None:
    assert [mark.box[0] for mark in STORY.faces(0.25)] == [pytest.approx(25.0)]
    assert [mark.box[0] for mark in STORY.faces(0.75)] == [pytest.approx(75.0), 50.0]


def test_the_score_beside_a_face_is_that_of_the_nearest_look() -> None:
    assert STORY.faces(0.4)[0].score == 0.2
    assert STORY.faces(0.6)[0].score == 0.8


def test_far_from_any_look_there_is_no_box() -> None:
    assert STORY.faces(1.7) != []
    assert STORY.faces(1.8) == STORY.faces(3.0) == STORY.faces(4.5) == []


def test_the_graph_grows_and_keeps_its_last_score() -> None:
    assert STORY.until(0.99) == ((0.0, 0.2),)
    assert STORY.until(9.0) == ((0.0, 0.2), (1.0, 0.8))
    assert STORY.score(0.5) == 0.2
    assert STORY.score(9.0) == 0.8
    assert Story([moment(1.0, 0.5)]).score(0.5) is None
