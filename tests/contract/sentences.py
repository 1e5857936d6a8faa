"""What each kind of sentence says, by the fields of the same answer that its numbers and names stand for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from telltale_gateway.analysis.explanation import NAMES

Answer = dict[str, Any]
Words = Iterable[Sequence[Any]]
"""For each thing that a sentence of that kind could be about: what its groups say, in their order."""

# A number as it is, and one that always has its sign.
N = r"(-?\d+(?:\.\d+)?)"
S = r"([+-]\d+\.\d+)"
W = r"([\w-]+)"
ANY = r"(.+)"


def founded(sentence: str, answer: Answer) -> bool:
    """Whether a sentence is of a known kind, and each of its numbers and names is its own field's, sign included."""
    for pattern, words in KINDS:
        found = re.fullmatch(pattern, sentence)
        if found is not None:
            said = [group for group in found.groups() if group is not None]
            return any(_agree(said, [value for value in each if value is not None]) for each in words(answer))
    return False


def _agree(said: Sequence[str], values: Sequence[Any]) -> bool:
    return len(said) == len(values) and all(_is(text, value) for text, value in zip(said, values, strict=True))


def _is(text: str, value: Any) -> bool:
    if isinstance(value, str):
        return text == value
    sign, digits = "+" if text.startswith("+") else "", len(text.partition(".")[2])
    return f"{value:{sign}.{digits}f}" == text


def _why_contradicting(answer: Answer) -> Words:
    scored = [
        (each["name"], each["score"], each["forgery"]) for each in answer["detectors"] if each["score"] is not None
    ]
    level = answer["rules"]["contradiction"]
    for over, high, forgery in scored:
        for under, low, other in scored:
            if forgery == other and high >= level and low <= 1.0 - level:
                yield over, high, under, low


def _about(answer: Answer) -> Words:
    for each in answer["detectors"]:
        tracks = each["tracks"] if each["tracks"] > 1 else None
        if each["score"] is not None:
            yield each["name"], each["version"], each["score"], each["items"], tracks, each["contribution"]


def _unscored(answer: Answer) -> Words:
    for each in answer["detectors"]:
        if each["score"] is None:
            word = "failed" if each["status"] == "failed" else "does not apply"
            yield each["name"], each["version"], word, each["reason"].rstrip(".")


def _face(answer: Answer) -> Words:
    for each in answer["tracks"]:
        if each["track"] == answer["findings"]["face"]:
            yield each["track"], each["first_t"], each["last_t"], each["score"]


def _suspicious(of: str) -> Callable[[Answer], Words]:
    def words(answer: Answer) -> Words:
        for each in answer["findings"]["suspicious"]:
            if each["of"] == of:
                yield each["start"], each["end"], answer["threshold"], each["peak"]

    return words


def _steady(answer: Answer) -> Words:
    found = answer["findings"]["temporal"]
    yield found["frames"], found["lowest"], found["highest"], found["trend"], found["consistency"]


def _agreement(answer: Answer) -> Words:
    for each in answer["findings"]["agreement"]:
        yield " and ".join(each["detectors"]), NAMES[each["forgery"]], each["lowest"], each["highest"]


def _unheard(answer: Answer) -> Words:
    stretches = sorted(answer["findings"]["unheard"], key=lambda each: each["start"] - each["end"])
    named = sorted(stretches[:3], key=lambda each: each["start"])
    yield [", ".join(f"{each['start']:.1f} to {each['end']:.1f} s" for each in named)]


def _regions(answer: Answer) -> Words:
    for each in answer["findings"]["regions"]:
        x, y, width, height = each["box"]
        yield each["detector"], each["t"], width, height, x, y, each["share"]


def _shown(answer: Answer) -> Words:
    for each in answer["detectors"]:
        if each["heatmaps"]:
            yield each["name"], len(each["heatmaps"]), each["heatmaps"][0]["method"].split("_")[0]


def _untested(answer: Answer) -> Words:
    yield [", ".join(NAMES[forgery] for forgery in answer["untested"])]


def _unusable(answer: Answer) -> Words:
    for each in answer["detectors"]:
        yield each["name"], each["items"], each["min_items"]


def _thin(answer: Answer) -> Words:
    for detector in answer["detectors"]:
        for track in answer["tracks"]:
            yield detector["name"], track["quality"], answer["rules"]["min_face_quality"]


def _moved(answer: Answer) -> Words:
    decisive = answer["findings"]["decisive"]
    yield from ((each["name"], abs(each["contribution"])) for each in answer["detectors"] if each["name"] == decisive)


def _word(answer: Answer) -> Words:
    yield (
        answer.get("overall_prediction", answer.get("prediction")),
        answer.get("overall_confidence", answer.get("confidence")),
    )


def _over_frames(answer: Answer) -> Words:
    found = answer["metrics"]
    yield found["frame_count"], found["min_score"], found["max_score"], found["suspicious_frames_count"]


def _trend(answer: Answer) -> Words:
    found = answer["temporal_analysis"]
    yield found["trend"], found["variance"]


def _parts(answer: Answer) -> Words:
    for part, each in answer["individual_scores"].items():
        yield part, each["prediction"], each["confidence"], each["weight"]


def _votes(answer: Answer) -> Words:
    by_word = dict.fromkeys(("FAKE", "REAL"), 0.0)
    for each in answer["individual_scores"].values():
        if each["prediction"] in by_word:
            by_word[each["prediction"]] += each["weight"]
    yield answer["final_prediction"], *by_word.values(), abs(1.0 - sum(by_word.values()))


def _counts(*names: str) -> Callable[[Answer], Iterator[Sequence[Any]]]:
    return lambda answer: iter([[answer["findings"][name] for name in names]])


KINDS: tuple[tuple[str, Callable[[Answer], Words]], ...] = (
    (rf"P\(fake\) is {N}: {W}\.", lambda a: [(a["score"], a["label"])]),
    (rf"The probability {N} lies between {N} and {N}\.", lambda a: [(a["score"], *a["rules"]["uncertain"])]),
    (rf"{W} \({N}\) and {W} \({N}\) test the same forgery and contradict each other\.", _why_contradicting),
    (rf"{W} could look at {N} items only, {N} are needed\.", _unusable),
    (rf"The face that decides for {W} has a quality of {N}, {N} is needed\.", _thin),
    (rf"The likeliest forgery is {ANY} \({N}\)\.", lambda a: [(NAMES[f], p) for f, p in a["forgeries"].items()
                                                              if f == a["findings"]["likeliest"]]),
    (rf"{W} {N} gives {N} over {N} items?(?: of {N} face tracks)?, and moves the log-odds by {S}\.", _about),
    (rf"{W} {N} (failed|does not apply): {ANY}\.", _unscored),
    (rf"{W} moved it most: without it the log-odds would differ by {N}\.", _moved),
    (rf"The (?:most suspicious )?face is face {N}, seen from {N} to {N} s: {N}\.", _face),
    (rf"Every frame looked at from {N} to {N} s scores {N} or more, up to {N}\.", _suspicious("picture")),
    (rf"The sound from {N} to {N} s scores {N} or more, up to {N}\.", _suspicious("sound")),
    (rf"Over {N} frames the score lies between {N} and {N}; its least squares line is {W}, its consistency {N}\.",
     _steady),
    (rf"{ANY} test for {ANY} and give {N} to {N}\.", _agreement),
    (rf"Not tested: {ANY}\.", _untested),
    (r"No detector listened to the sound from (.+? s)(?:, and shorter stretches)?\.", _unheard),
    (rf"Of {N} faces in {N} frames {N} could not be judged\.", _counts("faces", "frames", "faces_unjudged")),
    (rf"Of {N} frames {N} show no face\.", _counts("frames", "frames_without_face")),
    (rf"No heatmap of {W}: {ANY}\.", lambda a: [(d["name"], d["heatmaps_missing"].rstrip("."))
                                                for d in a["detectors"] if d["heatmaps_missing"]]),
    (rf"{W} shows {N} items? by (?:the )?(class|occlusion) .+\.", _shown),
    (rf"For {W} what speaks most for a forgery at {N} s is the {N} x {N} pixels at {N}, {N}: {N} of all that does\.",
     _regions),
    (rf"{W} with a confidence of {N}\.", _word),
    (rf"Over {N} frames the score lies between {N} and {N}; in {N} it is suspicious\.", _over_frames),
    (rf"The least squares line through the frames' scores is {W}; their variance is {N}\.", _trend),
    (rf"{W} with a confidence of {N}, by {W}\.",
     lambda a: [(a["final_prediction"], a["confidence"], a["fusion_method"])]),
    (rf"{W} by majority_vote: of all votes, weighed, {N} are for FAKE, {N} for REAL and {N} for neither; .+\.", _votes),
    (rf"The {W} is {W} with a confidence of {N} and weighs {N}\.", _parts),
    (r"The \w+ could not be judged: \w+\.", lambda _: [()]),
)  # fmt: skip
