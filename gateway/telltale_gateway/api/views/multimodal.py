"""``/detect/multimodal``: an audio, an image and a video about one thing, any of them, and one answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Annotated, get_args

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from telltale_gateway.analysis import AnalysisOptions, MediaSource, Verdict
from telltale_gateway.analysis.multimodal import Joint, Method, Part, join
from telltale_gateway.api.dependencies import RequestId, ServicesDep, SettingsDep
from telltale_gateway.api.problems import PROBLEMS
from telltale_gateway.api.uploads import media_in, received
from telltale_gateway.api.views.sent import Options, binary, form_of, require_kind
from telltale_gateway.api.views.shapes import View, Word, seconds, word
from telltale_gateway.errors import BadParameter, BadUpload, NothingToAnalyse, TelltaleError
from telltale_gateway.services import Services

router = APIRouter(prefix="/detect", tags=["views"])

_PARTS: tuple[Part, ...] = get_args(Part)
_HINT = "Send multipart/form-data with parts named audio, image and video, any of them."
_FORM = form_of(
    {
        "audio": binary("sound, or a video of which the sound is judged"),
        "image": binary("a picture"),
        "video": binary("a video"),
        "fusion_method": {"type": "string", "enum": list(get_args(Method)), "default": "rival_forgeries"},  # type: ignore[dict-item]
        "weights": {"type": "string", "description": 'JSON, for example {"audio": 1, "video": 2}; 1 where not given'},
    }
)


class PartScore(View):
    """One medium: what it was called, and its share of all weights."""

    prediction: Word
    confidence: float
    weight: float


class MultimodalDetection(View):
    """The answer of ``/detect/multimodal``; a medium that could not be judged is not among ``individual_scores``, and
    ``explanation`` says so. ``processing_time`` in seconds."""

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
    confidence = max(joint.score, 1.0 - joint.score)
    sentences = [f"{word(joint.label)} with a confidence of {confidence:.2f}, by {method}."]
    sentences += [
        f"The {part} is {each.prediction} with a confidence of {each.confidence:.2f} and weighs {each.weight:.2f}."
        for part, each in scores.items()
    ]
    sentences += [f"The {part} could not be judged: {code}." for part, code in unjudged.items()]
    return MultimodalDetection(
        final_prediction=word(joint.label),
        confidence=confidence,
        individual_scores=scores,
        fusion_method=method,
        processing_time=processing_time,
        explanation=sentences,
    )


def wishes_in(fields: Mapping[str, object]) -> Wishes:
    """What the fields of a form say.

    Raises:
        BadParameter: the method has no such name, or the weights are not JSON of numbers by part.
    """
    methods = ", ".join(get_args(Method))
    hint = f'fusion_method is one of {methods}; weights is JSON like {{"audio": 1, "video": 2}}, 0 to 1000 each.'
    try:
        given = {name: fields[name] for name in ("fusion_method", "weights") if fields.get(name)}
        if isinstance(text := given.get("weights"), str):
            given["weights"] = json.loads(text)
        return TypeAdapter(Wishes).validate_python(given)
    except (ValueError, RecursionError) as error:
        what = error.errors()[0]["loc"][0] if isinstance(error, ValidationError) else "weights"
        raise BadParameter(f"{what} cannot be read.", hint) from error


async def judge_all(
    services: Services, media: Mapping[Part, MediaSource], options: AnalysisOptions, request_id: str
) -> tuple[dict[Part, Verdict], dict[Part, NothingToAnalyse]]:
    """The verdict on each medium, and why there is none; beside each other, and all ended when one goes wrong."""

    async def one(part: Part, source: MediaSource) -> Verdict:
        senses = "hearing" if part == "audio" else "all"
        study = await services.analyzer.study(source, options, request_id=request_id, senses=senses)  # type: ignore[arg-type]
        if part != "audio":
            require_kind(study.verdict, part)
        return study.verdict

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


def _code(error: TelltaleError) -> str:
    return error.problem(None).code


@router.post("/multimodal", openapi_extra=_FORM, responses=PROBLEMS)
async def detect_multimodal(
    request: Request, options: Options, services: ServicesDep, settings: SettingsDep, request_id: RequestId
) -> MultimodalDetection:
    """Judge several media about one thing, each by itself, and fuse what comes of it."""
    async with received(request, files=len(_PARTS)) as (form, elapsed_ms):
        wishes = wishes_in(form)
        found = {part: media_in(request, form, part, elapsed_ms) for part in _PARTS}
        media = {part: source for part, source in found.items() if source is not None}
        if not media:
            raise BadUpload("There is no file part named audio, image or video.", _HINT)
        verdicts, unjudged = await judge_all(services, media, options, request_id)
    if not verdicts:
        raise next(iter(unjudged.values()))
    for verdict in verdicts.values():
        services.telemetry.observe(verdict)
    try:
        joint = join(
            verdicts,
            wishes.fusion_method,
            wishes.weights,
            prior_fake=settings.fusion.prior_fake,
            rules=services.judge.rules,
        )
    except ValueError as error:
        raise BadParameter(f"weights: {error}.", "Give at least one of them a weight above zero.") from error
    codes = {part: _code(error) for part, error in unjudged.items()}
    longest = max(seconds(verdict) for verdict in verdicts.values())
    return multimodal_detection(verdicts, codes, joint, wishes.fusion_method, longest)
