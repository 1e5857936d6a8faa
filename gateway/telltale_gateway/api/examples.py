"""What answers look like, for the OpenAPI document: those of tests/contract, and a problem of each status."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from telltale_contracts import Problem

# By status: code, title, detail and hint of one error that has it; docs/errors.md lists all.
_PROBLEMS: dict[int, tuple[str, str, str, str]] = {
    400: ("bad_upload", "Bad upload", "There is no file part named file.", "Send multipart/form-data."),
    401: ("not_authenticated", "Not authenticated", "There is no key and no token.", "Send X-API-Key."),
    403: ("not_allowed", "Not allowed", "This key may not operate.", "Use one with the scope operate."),
    404: ("unknown_model", "Unknown model", "There is no detector named x.", "GET /models lists them."),
    408: ("upload_timeout", "Upload timed out", "It had not arrived after 300 s.", "Send it over a faster line."),
    409: ("order_refused", "Order refused", "Version 1 is the live one.", "Promote another one first."),
    413: ("upload_too_large", "Upload too large", "The upload is larger than 100 MB.", "Send a shorter file."),
    415: ("not_media", "Not media", "It is no video, image or sound.", "Send a file of a common format."),
    422: ("no_face", "Nothing to analyse", "There is no face in it.", "Send a picture that shows a face."),
    429: ("too_many_requests", "Too many requests", "120 requests came in a minute.", "Wait as long as is said."),
    500: ("internal_error", "Internal error", "The request failed for a reason of our own.", "Try again."),
    503: ("busy", "Busy", "16 analyses are running, as many as are allowed.", "Send it again in a few seconds."),
    504: ("analysis_timeout", "Analysis timed out", "It took longer than 180 s.", "Send a shorter clip."),
}


def answer_examples() -> dict[str, Any]:
    """An answer by its operation, such as "POST /predict", of each that has one; tests/contract writes their file."""
    examples: dict[str, Any] = json.loads(files(__package__).joinpath("examples.json").read_text(encoding="utf-8"))
    return examples


def problem_example(status: int) -> dict[str, Any]:
    """A problem of that status."""
    code, title, detail, hint = _PROBLEMS[status]
    problem = Problem.of(code=code, title=title, status=status, detail=detail, hint=hint, request_id="9f1e04")
    return problem.model_dump(mode="json")
