"""What the gateway can answer instead of a Verdict.

    TelltaleError
      MalformedRequest         400  what was sent cannot be read as HTTP
      BadParameter             400  a query parameter is out of its range
      UnknownDetector          400  a detector was asked for that does not exist
      BadUpload                400  the body is not one multipart upload with a part named file
      UrlRefused               400  a URL was sent that is not fetched
      BadOrder                 400  an order to the rollout lacks something, or names what is not there
      NotAuthenticated         401  the key or token is missing or wrong
      NotAllowed               403  who asks may not do this
      UnknownModel             404  no detector of that name
      UnknownVersion           404  the detector has no version of that number
      UnknownFile              404  no file of that name is kept, or no longer
      UploadTimeout            408  the upload took too long to arrive
      OrderRefused             409  the order cannot be carried out as things stand
      UploadTooLarge           413  the upload is larger than the limit
      WrongKind                415  the upload is media, but not of the kind that is asked about
      NothingToAnalyse         422  no detector found anything in the media that it could look at
      OrderFailed              422  what an order asked for turned out not to be possible
      TooManyRequests          429  the caller's share of a minute is used up
      UrlUnreachable           422  a URL leads to no public place that answers with media
      UpstreamProblem          any  preprocessing refused the media; its problem is passed on
      PreprocessUnavailable    503  preprocessing cannot be reached
      NoDetectorAvailable      503  every detector that could have answered is down
      Busy                     503  as many analyses run as are allowed
      NoRoom                   503  there is no room left for the upload, or for what is made of it
      AuthenticationUnavailable  503  credentials cannot be checked
      AnalysisTimeout          504  the deadline passed
      OrderPending             504  an order is still going on

Each carries its status, a stable code, and a hint that says what to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from telltale_contracts import Problem

__all__ = [
    "AnalysisTimeout",
    "AuthenticationUnavailable",
    "BadOrder",
    "BadParameter",
    "BadUpload",
    "Busy",
    "MalformedRequest",
    "NoDetectorAvailable",
    "NoRoom",
    "NotAllowed",
    "NotAuthenticated",
    "NothingToAnalyse",
    "OrderFailed",
    "OrderPending",
    "OrderRefused",
    "PreprocessUnavailable",
    "TelltaleError",
    "TooManyRequests",
    "UnknownDetector",
    "UnknownFile",
    "UnknownModel",
    "UnknownVersion",
    "UploadTimeout",
    "UploadTooLarge",
    "UpstreamProblem",
    "UrlRefused",
    "UrlUnreachable",
    "WrongKind",
]


class TelltaleError(Exception):
    """An answer that is not a Verdict."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"

    def __init__(self, detail: str, hint: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = hint
        self.retry_after_s = retry_after_s

    def of_part(self, part: str) -> None:
        """Say which part of several the error is about."""
        self.detail = f"The part {part}: {self.detail}"

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


class MalformedRequest(TelltaleError):
    """What was sent cannot be read as HTTP; under the code and the title of what else HTTP itself calls bad."""

    status, code, title = 400, "bad_request", "Bad Request"


class BadParameter(TelltaleError):
    """A query parameter is out of its range."""

    status, code, title = 400, "bad_parameter", "Bad parameter"


class UnknownDetector(TelltaleError):
    """A detector was asked for that does not exist."""

    status, code, title = 400, "unknown_detector", "Unknown detector"


class BadUpload(TelltaleError):
    """The body is not one multipart upload with a part named file."""

    status, code, title = 400, "bad_upload", "Bad upload"


class UrlRefused(TelltaleError):
    """A URL was sent that is not fetched, or none is."""

    status, code, title = 400, "url_refused", "URL refused"


class UrlUnreachable(TelltaleError):
    """A URL leads to no public place that answers with media."""

    status, code, title = 422, "url_unreachable", "URL unreachable"


class UnknownModel(TelltaleError):
    """No detector of that name."""

    status, code, title = 404, "unknown_model", "Unknown model"


class UnknownVersion(TelltaleError):
    """The detector has no version of that number."""

    status, code, title = 404, "unknown_version", "Unknown version"


class UnknownFile(TelltaleError):
    """No file of that name is kept, or no longer."""

    status, code, title = 404, "unknown_file", "Unknown file"


class UploadTimeout(TelltaleError):
    """The upload took too long to arrive."""

    status, code, title = 408, "upload_timeout", "Upload timed out"


class UploadTooLarge(TelltaleError):
    """The upload is larger than the limit."""

    status, code, title = 413, "upload_too_large", "Upload too large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"The upload is larger than {limit_bytes / 1e6:.0f} MB.",
            "Send a shorter or more strongly compressed file, or a part of it.",
        )


class WrongKind(TelltaleError):
    """The upload is media, but not of the kind that is asked about."""

    status, code, title = 415, "wrong_kind", "Wrong kind of media"


class NothingToAnalyse(TelltaleError):
    """No detector found anything in the media that it could look at; ``code`` names what was missing."""

    status, code, title = 422, "nothing_to_analyse", "Nothing to analyse"

    def __init__(self, detail: str, hint: str, *, code: str) -> None:
        super().__init__(detail, hint)
        self._code = code

    def problem(self, request_id: str | None) -> Problem:
        """This error, under the code of what was missing."""
        return Problem.of(
            code=self._code,
            title=self.title,
            status=self.status,
            detail=self.detail,
            hint=self.hint,
            request_id=request_id,
        )


class UpstreamProblem(TelltaleError):
    """Preprocessing refused the media; its problem is passed on as it is."""

    def __init__(self, upstream: Problem, *, retry_after_s: int | None = None) -> None:
        super().__init__(upstream.detail, upstream.hint, retry_after_s=retry_after_s)
        self._upstream = upstream

    def problem(self, request_id: str | None) -> Problem:
        """The upstream's problem, under this request's id."""
        return self._upstream.model_copy(update={"request_id": request_id, "detail": self.detail})


class PreprocessUnavailable(TelltaleError):
    """Preprocessing cannot be reached, or did not answer as agreed."""

    status, code, title = 503, "preprocess_unavailable", "Preprocessing unavailable"


class NoDetectorAvailable(TelltaleError):
    """Every detector that could have answered is down."""

    status, code, title = 503, "no_detector_available", "No detector available"


class Busy(TelltaleError):
    """As many analyses run as are allowed."""

    status, code, title = 503, "busy", "Busy"


class NoRoom(TelltaleError):
    """There is no room left where uploads wait, and what is made of them."""

    status, code, title = 503, "no_room", "No room"


class AnalysisTimeout(TelltaleError):
    """The deadline passed before there was a verdict."""

    status, code, title = 504, "analysis_timeout", "Analysis timed out"


class BadOrder(TelltaleError):
    """An order to the rollout lacks something, or names what is not there."""

    status, code, title = 400, "bad_order", "Bad order"


class NotAuthenticated(TelltaleError):
    """The key or token is missing or wrong."""

    status, code, title = 401, "not_authenticated", "Not authenticated"

    @property
    def headers(self) -> Mapping[str, str]:
        """How to prove who one is (RFC 9110, 11.6.1)."""
        return {**super().headers, "WWW-Authenticate": "Bearer"}


class NotAllowed(TelltaleError):
    """Who asks may not do this."""

    status, code, title = 403, "not_allowed", "Not allowed"


class TooManyRequests(TelltaleError):
    """The caller's share of a minute is used up."""

    status, code, title = 429, "too_many_requests", "Too many requests"


class AuthenticationUnavailable(TelltaleError):
    """Credentials cannot be checked: the file of keys is damaged, or the issuer's keys cannot be fetched."""

    status, code, title = 503, "authentication_unavailable", "Authentication unavailable"


class OrderRefused(TelltaleError):
    """The order cannot be carried out as things stand; nothing was changed."""

    status, code, title = 409, "order_refused", "Order refused"


class OrderFailed(TelltaleError):
    """The order was taken, and what it asked for turned out not to be possible; the live version is untouched."""

    status, code, title = 422, "order_failed", "Order failed"


class OrderPending(TelltaleError):
    """The order was taken and is still going on."""

    status, code, title = 504, "order_pending", "Still going on"
