"""``POST /render``: an upload and a drawing in, a picture or a film out, as it is made."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send
from telltale_contracts import Problem

from telltale_preprocess.api.rendering import Rendering, RenderService

router = APIRouter()

_FORM: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["media", "drawing"],
                "properties": {
                    "media": {"type": "string", "format": "binary", "description": "a video, or an array as npy"},
                    "drawing": {"type": "string", "description": "a Drawing as JSON"},
                },
            }
        }
    },
}


class _Streamed(StreamingResponse):
    """Its process is gone when it is over, and at once when nobody listens any more."""

    def __init__(self, rendering: Rendering) -> None:
        super().__init__(rendering.chunks(), media_type=rendering.media_type)
        self._rendering = rendering

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._rendering.close()


def _renders(request: Request) -> RenderService:
    renders: RenderService = request.app.state.renders
    return renders


@router.post(
    "/render",
    response_class=Response,
    responses={
        200: {"content": {"video/mp4": {}, "image/png": {}}, "description": "The drawing."},
        "4XX": {"model": Problem, "description": "The upload or the drawing is at fault."},
        "5XX": {"model": Problem, "description": "Busy, too slow, or a fault of ours."},
    },
    openapi_extra={"requestBody": _FORM},
)
async def render(request: Request, renders: Annotated[RenderService, Depends(_renders)]) -> Response:
    """Draw; what is encoded is sent at once."""
    return _Streamed(await renders.render(request.headers, request.stream()))
