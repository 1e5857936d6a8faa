"""No sentence without its numbers: each number that is said is its own field's, in the same answer."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.contract.sentences import founded
from tests.contract.test_views import golden
from tests.integration.stack import RunningStack


def sentences_in(note: str) -> list[str]:
    """A note's sentences, one by one."""
    return re.split(r"(?<=\.) (?=[A-Z])", note)


def check(answer: dict[str, Any], sentences: list[str]) -> None:
    assert sentences
    assert [sentence for sentence in sentences if not founded(sentence, answer)] == []


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
    assert ("explain" in answer["timings_ms"]) == (explain == "true")
    if explain == "true":
        assert any("by occlusion" in sentence for sentence in answer["explanation"])


def test_every_number_of_several_medias_sentences_is_in_the_answer(stack: RunningStack, media: dict[str, Path]) -> None:
    files = {part: media[name].read_bytes() for part, name in (("audio", "voice"), ("image", "still"))}
    for method in ("rival_forgeries", "weighted_average", "majority_vote"):
        answer = stack.client.post("/detect/multimodal", files=files, data={"fusion_method": method}).json()
        check(answer, answer["explanation"])


@pytest.mark.parametrize("path", ["/analyze", "/analyze/frames", "/analyze/comprehensive", "/analyze/audio"])
def test_every_number_of_a_note_is_in_its_answer(stack: RunningStack, media: dict[str, Path], path: str) -> None:
    sent = {"video": media["darkening"].read_bytes()}
    if path == "/analyze/audio":
        sent = {"video": media["voice"].read_bytes()}
    data = stack.client.post(f"{path}?max_frames=6", files=sent).json()["data"]
    assert ("Not tested: " in data["note"]) == (path != "/analyze/audio")
    # What was not tested is a list of names, and the views leave that list out.
    check(data, [said for said in sentences_in(data["note"]) if not said.startswith("Not tested: ")])


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


@pytest.mark.parametrize(
    ("true", "false"),
    [
        (r"log-odds by -0\.14", "log-odds by +0.14"),
        (r"log-odds by -0\.14", "log-odds by +0.06"),
        (r"gives 0\.53", "gives 0.42"),
        (r"over 1 item,", "over 2 items,"),
        (r"uncertain\.$", "fake."),
        (r"lies between 0\.25", "lies between 0.20"),
        (r"toy-face 1 gives", "toy-synthesis 1 gives"),
    ],
)
def test_a_number_of_another_field_would_be_seen(true: str, false: str) -> None:
    answer = golden("predict-image")
    changed = [(said, re.sub(true, false, said)) for said in answer["explanation"] if re.search(true, said)]
    assert changed
    for said, wrong in changed:
        assert founded(said, answer)
        assert not founded(wrong, answer), wrong


def test_a_sentence_of_no_known_kind_would_be_seen() -> None:
    assert not founded("It is 0.52.", golden("predict-image"))
