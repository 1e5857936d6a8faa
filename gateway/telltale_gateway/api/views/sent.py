"""What the clients of the views send: one file, under the name that their service had for it, and a model's name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from telltale_contracts import MediaKind

from telltale_gateway.analysis import AnalysisOptions, MediaSource, Verdict
from telltale_gateway.api.uploads import media_in, received
from telltale_gateway.errors import BadUpload, WrongKind

FILE_NAMES = ("file", "video", "audio", "image")
Options = Annotated[AnalysisOptions, Query()]

_WHERE: Mapping[MediaKind, str] = {
    "audio": "POST /detect/audio or /analyze/audio takes sound.",
    "image": "POST /detect/image takes pictures.",
    "video": "POST /detect/video takes videos.",
}


@dataclass(frozen=True)
class Sent:
    """One upload, and the detectors that are asked for by the form, where it names some."""

    media: MediaSource
    model: str | None

    def options(self, options: AnalysisOptions) -> AnalysisOptions:
        """The query's options, with the form's model where the query names no detectors."""
        if self.model is None or options.detectors is not None:
            return options
        return options.model_copy(update={"detectors": self.model})


def form_of(properties: Mapping[str, Mapping[str, str]], required: tuple[str, ...] = ()) -> dict[str, Any]:
    """How OpenAPI describes a form."""
    schema = {"type": "object", "properties": dict(properties), "required": list(required)}
    if not required:
        del schema["required"]
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def binary(description: str) -> dict[str, str]:
    """A file in a form."""
    return {"type": "string", "format": "binary", "description": description}


ONE_FILE = form_of({"file": binary("video, image or sound")}, ("file",))
ONE_FILE_AND_MODEL = form_of(
    {
        "file": binary("the media; a part named video, audio or image is taken alike"),
        "model": {"type": "string", "description": "detectors by name, separated by commas; all when not given"},
    },
    ("file",),
)


async def sent(request: Request) -> AsyncIterator[Sent]:
    """The one file of a request, in a part named file, video, audio or image.

    Raises:
        UploadTooLarge, UploadTimeout: as the canonical upload.
        BadUpload: there is no such part, or more than one file.
    """
    async with received(request) as (form, elapsed_ms):
        found = [media_in(request, form, name, elapsed_ms) for name in FILE_NAMES]
        media = next((each for each in found if each is not None), None)
        if media is None:
            raise BadUpload(
                "There is no file part named file, video, audio or image.",
                "Send multipart/form-data with the media in a part named file.",
            )
        model = form.get("model")
        yield Sent(media, model.strip() or None if isinstance(model, str) else None)


def require_kind(verdict: Verdict, kind: MediaKind) -> None:
    """See that an upload is of the kind that is asked about.

    Raises:
        WrongKind: it is not.
    """
    if verdict.modality != kind:
        raise WrongKind(f"The upload is of the kind {verdict.modality}, not {kind}.", _WHERE[verdict.modality])


SentFile = Annotated[Sent, Depends(sent)]
