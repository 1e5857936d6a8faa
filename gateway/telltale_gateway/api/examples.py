"""What answers look like: written by hand for the OpenAPI document, in the shapes that the golden answers have."""

from __future__ import annotations

from typing import Any

from telltale_contracts import Problem

VERDICT: dict[str, Any] = {
    "id": "5d0c7f2e9a4b4c1f8e3a6b7d2c9f1e04",
    "label": "real",
    "score": 0.2246,
    "confidence": 0.7754,
    "threshold": 0.5,
    "is_deepfake": False,
    "modality": "audio",
    "filename": "voice.wav",
    "sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    "forgeries": {"voice": 0.2246},
    "untested": [],
    "detectors": [
        {
            "name": "voice-vocoder",
            "version": 1,
            "forgery": "voice",
            "server": "triton",
            "artifact_sha256": "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9",
            "status": "scored",
            "reason": None,
            "raw_score": 0.2246,
            "score": 0.2246,
            "weight": 1.0,
            "contribution": -1.2388,
            "items": 1,
            "min_items": 1,
            "tracks": 0,
            "latency_ms": 12.5,
            "heatmaps": [],
            "heatmaps_missing": None,
            "instead_of": None,
        }
    ],
    "frame_samples": [],
    "tracks": [],
    "audio_segments": [{"start": 0.0, "end": 4.0, "score": 0.2246}],
    "findings": {
        "likeliest": "voice",
        "decisive": "voice-vocoder",
        "face": None,
        "suspicious": [],
        "temporal": None,
        "regions": [],
        "agreement": [],
        "frames": 0,
        "frames_without_face": 0,
        "faces": 0,
        "faces_unjudged": 0,
    },
    "rules": {"uncertain": [0.25, 0.75], "min_face_quality": 0.2, "contradiction": 0.8},
    "explanation": [
        "P(fake) is 0.22: real.",
        "voice-vocoder 1 gives 0.22 over 1 item, and moves the log-odds by -1.24.",
    ],
    "degraded": False,
    "version": "voice-vocoder:1",
    "latency_ms": 180.0,
    "timings_ms": {"upload": 4.0, "decode": 60.0, "features": 40.0, "triton": 14.0, "fuse": 0.3},
    "meta": {
        "src_fps": None,
        "total_frames": None,
        "used_step": None,
        "face_frames": 0,
        "face_detect_rate": None,
        "duration_s": 5.1673,
        "width": None,
        "height": None,
        "container": "wav",
        "video_codec": None,
        "audio_codec": "pcm_s16le",
        "variable_frame_rate": None,
    },
}

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


def problem_example(status: int) -> dict[str, Any]:
    """A problem of that status."""
    code, title, detail, hint = _PROBLEMS[status]
    problem = Problem.of(code=code, title=title, status=status, detail=detail, hint=hint, request_id="9f1e04")
    return problem.model_dump(mode="json")
