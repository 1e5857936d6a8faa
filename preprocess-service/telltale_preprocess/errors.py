"""Everything that can be wrong with a request, each with its HTTP status, stable code and hint.

PreprocessError
 |-- BadRecipe             400  the recipe is not one
 |-- BadDrawing            400  the drawing is not one, or what is to be drawn on does not fit it
 |-- BadUpload             400  the form is malformed, or a part is missing
 |-- Cancelled             400  whoever sent the form hung up
 |-- RecipeTooLarge        400  the answer would be larger than allowed
 |-- UploadTooLarge        413
 |-- ImageTooLarge         413  by its header, before decoding
 |-- MediaTooLong          413
 |-- NotMedia              415
 |-- EmptyMedia            422
 |-- DamagedMedia          422
 |-- ImageTooSmall         422
 |-- NoPicture             422
 |-- MediaTooDemanding     422  it needs more memory, or has more pixels a second, than is allowed
 |-- MediaCrashedDecoder   422  it killed two workers
 |-- ProcessingFailed      500  a fault of ours
 |-- Busy                  503
 |-- NoRoom                503  there is no room left for the upload
 |-- WorkersLost           503  two workers were killed, not by it
 |-- DecodeTimeout         504
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel
from telltale_contracts import Problem


class PreprocessError(Exception):
    """Base of all; ``detail`` says what happened, ``hint`` what to do about it."""

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]
    hint: ClassVar[str]
    retry_after_s: ClassVar[int | None] = None

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    @property
    def headers(self) -> Mapping[str, str]:
        """What the answer's headers say beside the problem."""
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}

    def problem(self, request_id: str | None) -> Problem:
        """This error as RFC 9457 problem details."""
        return Problem.of(
            code=self.code,
            title=self.title,
            status=self.status,
            detail=self.detail,
            hint=self.hint,
            request_id=request_id,
        )


class BadRecipe(PreprocessError):
    """The recipe is not JSON, or not a Recipe."""

    status = 400
    code = "bad_recipe"
    title = "Bad recipe"
    hint = "Send the form field 'recipe' as the JSON of a Recipe; the detail names the field that is wrong."


class BadDrawing(PreprocessError):
    """The drawing is not JSON, not a Drawing, or the pictures or spectra are not those that it is about."""

    status = 400
    code = "bad_drawing"
    title = "Bad drawing"
    hint = "Send the form field 'drawing' as the JSON of a Drawing; the detail names what is wrong."


class NoPicture(PreprocessError):
    """There is nothing that could be drawn on: no moving picture."""

    status = 422
    code = "no_moving_picture"
    title = "No moving picture"
    hint = "Send a video."


class BadUpload(PreprocessError):
    """The body is not a multipart form with the parts that are needed."""

    status = 400
    code = "bad_upload"
    title = "Bad upload"
    hint = "Send multipart/form-data with a file part 'media' and a form field 'recipe' (or 'drawing')."


class Cancelled(PreprocessError):
    """The connection was closed before the form was complete; nobody hears this but the log and the metrics."""

    status = 400
    code = "cancelled"
    title = "Cancelled"
    hint = "Send the whole form."


class RecipeTooLarge(PreprocessError):
    """The bundle that the recipe asks for would be larger than allowed."""

    status = 400
    code = "recipe_too_large"
    title = "Recipe too large"
    hint = "Ask for fewer frames, smaller sizes or fewer inputs at once."


class UploadTooLarge(PreprocessError):
    """More bytes arrived, or were announced, than are allowed."""

    status = 413
    code = "upload_too_large"
    title = "Upload too large"
    hint = "Cut or re-encode the file so that it fits."


class ImageTooLarge(PreprocessError):
    """A picture or video frame has more pixels than are allowed."""

    status = 413
    code = "image_too_large"
    title = "Picture too large"
    hint = "Scale the picture down, or cut out the part that matters."


class MediaTooLong(PreprocessError):
    """A recording lasts longer than allowed."""

    status = 413
    code = "media_too_long"
    title = "Media too long"
    hint = "Cut the recording into shorter pieces and send them one by one."


class NotMedia(PreprocessError):
    """The content is no video, image or sound that can be read, whatever its name says."""

    status = 415
    code = "not_media"
    title = "Not a video, an image or a sound"
    hint = "Send a common format, for example MP4, WebM, JPEG, PNG, WAV, FLAC or MP3."


class EmptyMedia(PreprocessError):
    """The file has no bytes."""

    status = 422
    code = "empty_media"
    title = "Empty file"
    hint = "Check that the file was written completely before it was sent."


class DamagedMedia(PreprocessError):
    """It is media, but cut off or broken."""

    status = 422
    code = "damaged_media"
    title = "Damaged media"
    hint = "Send the original file again, or re-encode the part that still plays."


class ImageTooSmall(PreprocessError):
    """A picture of a few pixels, in which nothing can be seen."""

    status = 422
    code = "image_too_small"
    title = "Picture too small"
    hint = "Send the picture in its original size."


class MediaTooDemanding(PreprocessError):
    """Decoding it took more memory than a worker may have, or its pixels a second are more than are allowed."""

    status = 422
    code = "media_too_demanding"
    title = "Media too demanding"
    hint = "Scale it down or re-encode it with common settings."


class MediaCrashedDecoder(PreprocessError):
    """Two workers in a row died of it."""

    status = 422
    code = "media_crashed_decoder"
    title = "Media crashed the decoder"
    hint = "Re-encode the file; it is broken in a way that no decoder here survives."


class ProcessingFailed(PreprocessError):
    """A fault of the service, not of the media."""

    status = 500
    code = "processing_failed"
    title = "Processing failed"
    hint = "Report it with the request id; sending the file again will probably fail in the same way."


class Busy(PreprocessError):
    """All workers are taken and the queue is full, or no worker is alive yet."""

    status = 503
    code = "busy"
    title = "Busy"
    hint = "Try again after the seconds in Retry-After."
    retry_after_s = 2


class NoRoom(PreprocessError):
    """There is no room left where uploads wait."""

    status = 503
    code = "no_room"
    title = "No room"
    hint = "Try again after the seconds in Retry-After."
    retry_after_s = 5


class WorkersLost(PreprocessError):
    """Two workers in a row were killed while at it, by somebody or by the kernel for want of memory."""

    status = 503
    code = "workers_lost"
    title = "Decoding processes were killed"
    hint = "Try again after the seconds in Retry-After; if it happens again, look for what kills them."
    retry_after_s = 2


class DecodeTimeout(PreprocessError):
    """The worker was still at it when its wall time was over."""

    status = 504
    code = "decode_timeout"
    title = "Decoding took too long"
    hint = "Send a shorter or smaller recording, or ask for fewer frames."


class ErrorMessage(BaseModel):
    """An error as it crosses from a worker: plain words, never a pickle, since the sender has read hostile media."""

    code: str
    detail: str

    @classmethod
    def of(cls, error: PreprocessError) -> ErrorMessage:
        """The message for an error."""
        return cls(code=error.code, detail=error.detail)

    def to_error(self) -> PreprocessError:
        """The error that was sent; one with an unknown code is a fault of ours."""
        kinds = {kind.code: kind for kind in PreprocessError.__subclasses__()}
        return kinds.get(self.code, ProcessingFailed)(self.detail)
