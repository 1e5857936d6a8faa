"""``/analyze`` and what lies below it, and the files that its answers name."""

from __future__ import annotations

import logging
import time

from fastapi import APIRouter, Response
from telltale_contracts import Drawing

from telltale_gateway.api.dependencies import RequestId, ServicesDep, SettingsDep
from telltale_gateway.api.problems import PROBLEMS
from telltale_gateway.api.views.detailed import (
    Analysis,
    AudioAnalysis,
    Comprehensive,
    Drawn,
    Envelope,
    FramesAnalysis,
    analysis_of,
    audio_of,
    comprehensive_of,
    enveloped,
    frames_of,
)
from telltale_gateway.api.views.drawings import PICTURES, SPECTRA, film_of, overlay_of, spectrogram_of
from telltale_gateway.api.views.passing import Passed
from telltale_gateway.api.views.sent import ONE_FILE_AND_MODEL, Options, SentFile, only
from telltale_gateway.errors import TelltaleError, UnknownFile
from telltale_gateway.services import Services
from telltale_gateway.spooling import Spool

router = APIRouter(tags=["views"])
_log = logging.getLogger(__name__)

_FILM = {200: {"content": {"video/mp4": {}}, "description": "A fragmented MP4, as it is encoded."}, **PROBLEMS}
_FILE = {200: {"content": {"video/mp4": {}, "image/png": {}}, "description": "The file."}, **PROBLEMS}


async def _drawn(services: Services, source: Spool, drawing: Drawing, request_id: str) -> Drawn:
    """A drawing that goes with a verdict; where it could not be made the answer says why, and keeps the verdict."""
    try:
        return Drawn(await (await services.preprocess.render(source, drawing, request_id)).read())
    except TelltaleError as error:
        _log.warning("answered without the %s: %s", drawing.kind, error.detail)
        return Drawn(reason=error.detail)


@router.post("/analyze", openapi_extra=ONE_FILE_AND_MODEL, responses=PROBLEMS)
async def analyze(sent: SentFile, options: Options, services: ServicesDep, request_id: RequestId) -> Envelope[Analysis]:
    """Judge a video, with figures over its frames."""
    study = await services.analyzer.study(sent.media, sent.options(options), request_id=request_id, only=only("video"))
    verdict = study.verdict
    services.telemetry.observe(verdict)
    return enveloped(verdict, analysis_of(verdict))


@router.post("/analyze/frames", openapi_extra=ONE_FILE_AND_MODEL, responses=PROBLEMS)
async def analyze_frames(
    sent: SentFile, options: Options, services: ServicesDep, request_id: RequestId
) -> Envelope[FramesAnalysis]:
    """Judge a video frame by frame."""
    study = await services.analyzer.study(sent.media, sent.options(options), request_id=request_id, only=only("video"))
    services.telemetry.observe(study.verdict)
    return enveloped(study.verdict, frames_of(study))


@router.post("/analyze/audio", openapi_extra=ONE_FILE_AND_MODEL, responses=PROBLEMS)
async def analyze_audio(
    sent: SentFile, options: Options, services: ServicesDep, request_id: RequestId
) -> Envelope[AudioAnalysis]:
    """Judge the sound of a recording, with its properties and its spectrogram."""
    study = await services.analyzer.study(
        sent.media, sent.options(options), request_id=request_id, also=(SPECTRA,), senses="hearing"
    )
    services.telemetry.observe(study.verdict)
    drawing, spectra = spectrogram_of(study)
    picture = await _drawn(services, spectra, drawing, request_id)
    name = None if picture.body is None else services.artifacts.keep(picture.body, "image/png", "png")
    url = None if name is None else f"/visualization/{name}"
    return enveloped(study.verdict, audio_of(study.verdict, study.bundle.metadata, picture, url))


@router.post("/analyze/visualize", openapi_extra=ONE_FILE_AND_MODEL, responses=_FILM, response_class=Response)
async def visualize(
    sent: SentFile, options: Options, services: ServicesDep, settings: SettingsDep, request_id: RequestId
) -> Response:
    """The video itself with face boxes, scores and the growing graph drawn in, and its own sound."""
    study = await services.analyzer.study(sent.media, sent.options(options), request_id=request_id, only=only("video"))
    verdict = study.verdict
    services.telemetry.observe(verdict)
    rendered = await services.preprocess.render(sent.media.stream, overlay_of(verdict), request_id)
    named = {"Content-Disposition": 'inline; filename="visualization.mp4"'}
    return Passed(rendered, named, reader_s=settings.deadlines.reader_s)


@router.post("/analyze/comprehensive", openapi_extra=ONE_FILE_AND_MODEL, responses=PROBLEMS)
async def analyze_comprehensive(
    sent: SentFile, options: Options, services: ServicesDep, request_id: RequestId
) -> Envelope[Comprehensive]:
    """All of it from one pass over the upload; the film shows the frames that were looked at."""
    study = await services.analyzer.study(
        sent.media, sent.options(options), request_id=request_id, also=(PICTURES,), only=only("video")
    )
    services.telemetry.observe(study.verdict)
    started = time.perf_counter()
    film, pictures = film_of(study)
    drawn = await _drawn(services, pictures, film, request_id)
    name = None if drawn.body is None else services.artifacts.keep(drawn.body, "video/mp4", "mp4")
    return enveloped(study.verdict, comprehensive_of(study, drawn, name, time.perf_counter() - started))


@router.get("/visualization/{filename}", responses=_FILE, response_class=Response)
async def visualization(filename: str, services: ServicesDep, settings: SettingsDep) -> Response:
    """A file that an answer named; this gateway keeps it for a while, and no other has it."""
    kept = services.artifacts.open(filename)
    if kept is None:
        raise UnknownFile("No file of that name is kept here, or no longer.", "Ask for the analysis again.")
    headers = {"Content-Length": str(kept.size), "Cache-Control": "private, no-store"}
    return Passed(kept, headers, reader_s=settings.deadlines.reader_s)
