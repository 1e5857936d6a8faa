"""What the clients of the views send: one file, under the name that their service had for it, and a model's name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query, Request
from telltale_contracts import MediaKind

from telltale_gateway.analysis import AnalysisOptions, MediaSource, OnlyKind
from telltale_gateway.api.uploads import Parts, binary, form_of, media_of, received

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
        return with_model(options, self.model)


def with_model(options: AnalysisOptions, model: str | None) -> AnalysisOptions:
    """The query's options, with the form's model where there is one and the query names no detectors."""
    if model is None or options.detectors is not None:
        return options
    return options.model_copy(update={"detectors": model})


def model_in(fields: Mapping[str, str]) -> str | None:
    """The form's field model, where it names something."""
    return fields.get("model", "").strip() or None


MODEL = {"type": "string", "description": "detectors by name, separated by commas; all when not given"}
_PARTS = Parts(files=FILE_NAMES, fields=("model", "url"))
ONE_FILE_AND_MODEL = form_of(
    {
        "file": binary("the media; a part named video, audio or image is taken alike"),
        "model": MODEL,
    },
    file="file",
)


async def sent(request: Request) -> AsyncIterator[Sent]:
    """The one file of a request, in a part named file, video, audio or image, or where its field url leads.

    Raises:
        UploadTooLarge, UploadTimeout, UrlRefused, UrlUnreachable: as the canonical upload.
        BadUpload, BadParameter: there is no such part, or more than one file, or another.
    """
    async with (
        received(request, _PARTS) as arrived,
        media_of(request, arrived, FILE_NAMES) as media,
    ):
        yield Sent(media, model_in(arrived.form.fields))


def only(kind: MediaKind) -> OnlyKind:
    """That an upload must be of one kind; those of others are told where to go."""
    return OnlyKind(kind, _WHERE)


SentFile = Annotated[Sent, Depends(sent)]
