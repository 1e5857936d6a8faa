"""``/detect/multimodal``: an audio, an image and a video about one thing, any of them, and one answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from telltale_gateway.analysis import AnalysisOptions, MediaSource, Study, Verdict
from telltale_gateway.analysis.multimodal import Joint, Method, Part, join, require_weight
from telltale_gateway.api.dependencies import RequestId, ServicesDep, SettingsDep
from telltale_gateway.api.problems import PROBLEMS
from telltale_gateway.api.uploads import Parts, binary, form_of, media_in, received
from telltale_gateway.api.views.sent import MODEL, Options, model_in, only, with_model
from telltale_gateway.api.views.shapes import View, Word, seconds, word
from telltale_gateway.errors import BadParameter, BadUpload, NothingToAnalyse, TelltaleError, UpstreamProblem, WrongKind
from telltale_gateway.services import Services

router = APIRouter(prefix="/detect", tags=["views"])

_PARTS: tuple[Part, ...] = get_args(Part)
_WISHES = ("fusion_method", "weights")
_TAKEN = Parts(files=_PARTS, fields=("model", *_WISHES), most_files=len(_PARTS))
_HINT = "Send multipart/form-data with parts named audio, image and video, any of them."
_FORM = form_of(
    {
        "audio": binary("sound, or a video of which the sound is judged"),
        "image": binary("a picture"),
        "video": binary("a video"),
        "model": MODEL,
        "fusion_method": {"type": "string", "enum": list(get_args(Method)), "default": "rival_forgeries"},
        "weights": {"type": "string", "description": 'JSON, for example {"audio": 1, "video": 2}; 1 where not given'},
    }
)


class PartScore(View):
    """One medium: what it was called, and its share of all weights; of a vote, those of media that could not be judged
    are among them."""

    prediction: Word
    confidence: float
    weight: float


class MultimodalDetection(View):
    """The answer of ``/detect/multimodal``; a medium that could not be judged is not among ``individual_scores``, and
    ``explanation`` says so.

    ``confidence`` is max(P, 1 - P) of the fused P(fake); by majority_vote it is the share of all votes that the word
    has, or where it is UNCERTAIN the larger side, which is no probability. ``processing_time`` in seconds.
    """

    final_prediction: Word
    confidence: float
    individual_scores: dict[Part, PartScore]
    fusion_method: Method
    processing_time: float
    explanation: list[str]


class Wishes(BaseModel):
    """The fields of the form that are no files."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    fusion_method: Method = "rival_forgeries"
    weights: dict[Part, Annotated[float, Field(ge=0.0, le=1000.0)]] = {}


def multimodal_detection(
    verdicts: Mapping[Part, Verdict], unjudged: Mapping[Part, str], joint: Joint, method: Method, processing_time: float
) -> MultimodalDetection:
    """The view of several Verdicts; ``unjudged``: the code of what was missing in the others."""
    scores = {
        part: PartScore(prediction=word(each.label), confidence=each.confidence, weight=joint.weights[part])
        for part, each in verdicts.items()
    }
    sentences = [_called_so(joint, method)]
    sentences += [
        f"The {part} is {each.prediction} with a confidence of {each.confidence:.2f} and weighs {each.weight:.2f}."
        for part, each in scores.items()
    ]
    sentences += [f"The {part} could not be judged: {code}." for part, code in unjudged.items()]
    return MultimodalDetection(
        final_prediction=word(joint.label),
        confidence=joint.confidence,
        individual_scores=scores,
        fusion_method=method,
        processing_time=processing_time,
        explanation=sentences,
    )


def _called_so(joint: Joint, method: Method) -> str:
    called, votes = word(joint.label), joint.votes
    if votes is None:
        return f"{called} with a confidence of {joint.confidence:.2f}, by {method}."
    return (
        f"{called} by {method}: of all votes, weighed, {votes.fake:.2f} are for FAKE, {votes.real:.2f} for REAL and "
        f"{votes.undecided:.2f} for neither; these are shares of votes, no probabilities."
    )


def wishes_in(fields: Mapping[str, str]) -> Wishes:
    """What the fields of a form say.

    Raises:
        BadParameter: the method has no such name, or the weights are not JSON of numbers by part.
    """
    methods = ", ".join(get_args(Method))
    hint = f'fusion_method is one of {methods}; weights is JSON like {{"audio": 1, "video": 2}}, 0 to 1000 each.'
    try:
        given: dict[str, Any] = {name: fields[name] for name in _WISHES if fields.get(name)}
        if "weights" in given:
            given["weights"] = json.loads(given["weights"])
        return TypeAdapter(Wishes).validate_python(given)
    except (ValueError, RecursionError) as error:
        what = error.errors()[0]["loc"][0] if isinstance(error, ValidationError) else "weights"
        raise BadParameter(f"{what} cannot be read.", hint) from error


async def judge_all(
    services: Services, media: Mapping[Part, MediaSource], options: AnalysisOptions, request_id: str
) -> tuple[dict[Part, Verdict], dict[Part, NothingToAnalyse]]:
    """The verdict on each medium, and why there is none; beside each other, and all ended when one goes wrong."""

    async def study(part: Part, source: MediaSource) -> Study:
        if part == "audio":
            return await services.analyzer.study(source, options, request_id=request_id, senses="hearing")
        return await services.analyzer.study(source, options, request_id=request_id, only=only(part))

    async def one(part: Part, source: MediaSource) -> Verdict:
        try:
            return (await study(part, source)).verdict
        except (UpstreamProblem, WrongKind, NothingToAnalyse) as error:
            error.of_part(part)
            raise

    tasks = {part: asyncio.ensure_future(one(part, source)) for part, source in media.items()}
    verdicts: dict[Part, Verdict] = {}
    unjudged: dict[Part, NothingToAnalyse] = {}
    try:
        for part, task in tasks.items():
            try:
                verdicts[part] = await task
            except NothingToAnalyse as error:
                unjudged[part] = error
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
    return verdicts, unjudged


@contextmanager
def _weighed() -> Iterator[None]:
    """What is wrong with weights, in the words of our own errors."""
    try:
        yield
    except ValueError as error:
        raise BadParameter(f"weights: {error}.", "Give at least one of them a weight above zero.") from error


def _code(error: TelltaleError) -> str:
    return error.problem(None).code


@router.post("/multimodal", openapi_extra=_FORM, responses=PROBLEMS)
async def detect_multimodal(
    request: Request, options: Options, services: ServicesDep, settings: SettingsDep, request_id: RequestId
) -> MultimodalDetection:
    """Judge several media about one thing, each by itself, and fuse what comes of it."""
    async with received(request, _TAKEN) as arrived:
        wishes = wishes_in(arrived.form.fields)
        found = {part: media_in(arrived, part) for part in _PARTS}
        media = {part: source for part, source in found.items() if source is not None}
        if not media:
            raise BadUpload("There is no file part named audio, image or video.", _HINT)
        with _weighed():
            require_weight(media, wishes.weights)
        asked = with_model(options, model_in(arrived.form.fields))
        verdicts, unjudged = await judge_all(services, media, asked, request_id)
    if not verdicts:
        raise next(iter(unjudged.values()))
    with _weighed():
        joint = join(
            verdicts,
            wishes.fusion_method,
            wishes.weights,
            unjudged=unjudged,
            prior_fake=settings.fusion.prior_fake,
            rules=services.judge.rules,
        )
    services.telemetry.observe_together(list(verdicts.values()), joint.label)
    codes = {part: _code(error) for part, error in unjudged.items()}
    longest = max(seconds(verdict) for verdict in verdicts.values())
    return multimodal_detection(verdicts, codes, joint, wishes.fusion_method, longest)
