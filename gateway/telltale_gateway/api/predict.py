"""The canonical question."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from telltale_gateway.analysis import ExplainedOptions, Verdict
from telltale_gateway.api.dependencies import RequestId, ServicesDep
from telltale_gateway.api.problems import PROBLEMS
from telltale_gateway.api.uploads import UPLOAD_FORM, Upload

router = APIRouter(tags=["analysis"])


@router.post("/predict", openapi_extra=UPLOAD_FORM, responses=PROBLEMS)
async def predict(
    media: Upload, options: Annotated[ExplainedOptions, Query()], services: ServicesDep, request_id: RequestId
) -> Verdict:
    """Say whether one upload is fake, and who says so."""
    verdict = await services.analyzer.analyze(media, options, request_id=request_id, explain=options.explain)
    services.telemetry.observe(verdict)
    return verdict
