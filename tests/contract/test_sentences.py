"""No sentence without its numbers: each number that is said occurs in the same answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.stack import RunningStack

# A number of its own, not part of a name.
NUMBER = re.compile(r"(?<![\w.-])[-+]?\d+(?:\.\d+)?(?![\w]|\.\d)")


def numbers_in(answer: Any, key: str = "") -> Iterator[float]:
    """Every number of an answer outside its sentences; that of a list of heatmaps is how many there are."""
    if isinstance(answer, bool) or key in {"explanation", "note"}:
        return
    if isinstance(answer, int | float):
        yield float(answer)
    elif isinstance(answer, str):
        yield from (float(number) for number in NUMBER.findall(answer))
    elif isinstance(answer, dict):
        for name, value in answer.items():
            yield from numbers_in(value, name)
    elif isinstance(answer, list):
        if key == "heatmaps":
            yield float(len(answer))
        for value in answer:
            yield from numbers_in(value)


def unfounded(sentence: str, known: list[float]) -> list[str]:
    """The numbers of a sentence that no number of the answer gives, rounded as it is said."""
    missing = []
    for said in NUMBER.findall(sentence):
        digits = len(said.partition(".")[2])
        if not any(f"{number:.{digits}f}".lstrip("-") == said.lstrip("+-") for number in known):
            missing.append(said)
    return missing


def check(answer: dict[str, Any], sentences: list[str]) -> None:
    known = list(numbers_in(answer))
    assert sentences
    assert sum(len(NUMBER.findall(sentence)) for sentence in sentences) >= 1
    assert {sentence: wrong for sentence in sentences if (wrong := unfounded(sentence, known))} == {}


def check_seconds(answer: dict[str, Any]) -> int:
    """What is said of every frame between two times holds for each of them; how often it is said."""
    runs = [each for each in answer["findings"]["suspicious"] if each["of"] == "picture"]
    for run in runs:
        within = [each["score"] for each in answer["frame_samples"] if run["start"] <= each["t"] <= run["end"]]
        assert within
        assert all(score is not None and score >= answer["threshold"] for score in within)
        assert max(within) == run["peak"]
    return len(runs)


@pytest.mark.parametrize("kind", ["talking", "still", "voice"])
@pytest.mark.parametrize("explain", ["true", "false"])
def test_every_number_of_a_verdicts_sentences_is_in_the_verdict(
    stack: RunningStack, media: dict[str, Path], kind: str, explain: str
) -> None:
    answer = stack.predict(media[kind], max_frames="6", explain=explain).json()
    check(answer, answer["explanation"])
    check_seconds(answer)
    if explain == "true":
        assert any("by occlusion" in sentence for sentence in answer["explanation"])


def test_every_number_of_several_medias_sentences_is_in_the_answer(stack: RunningStack, media: dict[str, Path]) -> None:
    files = {part: media[name].read_bytes() for part, name in (("audio", "voice"), ("image", "still"))}
    answer = stack.client.post("/detect/multimodal", files=files).json()
    check(answer, answer["explanation"])


@pytest.mark.parametrize("path", ["/analyze", "/analyze/frames", "/analyze/comprehensive"])
def test_every_number_of_a_note_is_in_its_answer(stack: RunningStack, media: dict[str, Path], path: str) -> None:
    sent = {"video": media["darkening"].read_bytes()}
    data = stack.client.post(f"{path}?max_frames=6", files=sent).json()["data"]
    check(data, [data["note"]])


def test_the_seconds_that_are_suspicious_are_those_that_were_made_so(
    stack: RunningStack, media: dict[str, Path]
) -> None:
    """toy-synthesis takes the dark for generated, and it becomes dark after a second."""
    answer = stack.predict(media["darkening"], max_frames="8", detectors="toy-synthesis").json()
    (stretch,) = answer["findings"]["suspicious"]
    assert stretch["of"] == "picture"
    assert stretch["start"] == pytest.approx(1.0, abs=0.15)
    assert stretch["end"] == pytest.approx(answer["meta"]["duration_s"])
    assert stretch["peak"] == max(sample["score"] for sample in answer["frame_samples"])
    assert answer["findings"]["temporal"]["trend"] == "rising"
    said = [sentence for sentence in answer["explanation"] if sentence.startswith("Every frame looked at")]
    seconds = f"from {stretch['start']:.1f} to {stretch['end']:.1f} s"
    assert said == [f"Every frame looked at {seconds} scores 0.50 or more, up to {stretch['peak']:.2f}."]
    check(answer, answer["explanation"])


def test_a_video_is_explained_by_face_seconds_and_steadiness(stack: RunningStack, media: dict[str, Path]) -> None:
    answer = stack.predict(media["talking"], max_frames="6").json()
    said = " ".join(answer["explanation"])
    for what in ("The face is face 0, seen from", "Over 6 frames the score lies between", "moved it most"):
        assert what in said
    found = answer["findings"]
    scores = [sample["score"] for sample in answer["frame_samples"]]
    assert found["temporal"]["lowest"] == pytest.approx(min(scores))
    assert found["temporal"]["highest"] == pytest.approx(max(scores))
    moved = {each["name"]: abs(each["contribution"]) for each in answer["detectors"]}
    assert found["decisive"] == max(moved, key=lambda name: moved[name])
    assert found["likeliest"] == max(answer["forgeries"], key=lambda name: answer["forgeries"][name])


def test_no_sentence_speaks_for_seconds_that_show_nobody(stack: RunningStack, media: dict[str, Path]) -> None:
    """Somebody, then nobody, then somebody again: what is said of the first seconds and the last is not of all."""
    answer = stack.predict(media["leaving"], max_frames="16", detectors="toy-synthesis").json()
    assert answer["findings"]["frames_without_face"] >= 4
    assert check_seconds(answer) == 2
    assert sum(sentence.startswith("Every frame looked at") for sentence in answer["explanation"]) == 2


def test_a_number_from_nowhere_would_be_seen() -> None:
    assert unfounded("It gives 0.42 over 6 items.", [0.4249, 6.0]) == []
    assert unfounded("It gives 0.43 over 7 items.", [0.4249, 6.0]) == ["0.43", "7"]
    assert unfounded("face-blend-2 moves it by -1.50.", [1.5]) == []
