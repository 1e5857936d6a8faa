"""What an operator may set, by environment variables that begin with ``TELLTALE_PREPROCESS_``."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

_REPOSITORY = Path(__file__).resolve().parents[2]


class Settings(BaseSettings):
    """Limits, thresholds and places; every one has a default that suits one small machine."""

    model_config = SettingsConfigDict(env_prefix="TELLTALE_PREPROCESS_", frozen=True)

    assets: Path = Field(default=_REPOSITORY / ".cache" / "assets", description="folder of the face models")

    tracing_endpoint: str | None = Field(default=None, description="of OTLP over HTTP; nothing is traced without one")
    workers: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, description="decoding processes")
    max_queue: int = Field(default=32, ge=0, description="requests that may wait for a worker before 503")
    max_queue_wait_s: float = Field(default=60.0, gt=0, description="seconds a request may wait for a worker")
    start_timeout_s: float = Field(default=120.0, gt=0, description="seconds a new worker has to warm up")

    max_upload_bytes: int = Field(default=100_000_000, gt=0)
    max_duration_s: float = Field(default=600.0, gt=0, description="seconds of media")
    max_pixels: int = Field(default=40_000_000, gt=0, description="pixels of one picture, by its header")
    max_pixel_rate: float = Field(
        default=4e9, gt=0, description="pixels a second of a video; 8K at 120 frames a second"
    )
    min_side: int = Field(default=16, ge=1, description="pixels; a smaller picture shows nothing")
    max_bundle_bytes: int = Field(default=512_000_000, gt=0, description="of one answer")
    max_wall_s: float = Field(default=60.0, gt=0, description="seconds of wall time for one request in a worker")
    max_cpu_s: float = Field(default=90.0, gt=0, description="seconds of CPU time for one request in a worker")
    max_memory_bytes: int = Field(default=2_000_000_000, gt=0, description="a worker may map beyond its warmed state")

    renders: int = Field(default=2, ge=1, description="drawings at once, each in a process of its own")
    max_render_wait_s: float = Field(default=5.0, gt=0, description="seconds that a drawing may wait to begin")
    max_render_cpu_s: float = Field(default=600.0, gt=0, description="seconds of CPU time for one drawing")
    max_render_wall_s: float = Field(
        default=900.0, gt=0, description="seconds of wall time for one drawing, a slow receiver's included"
    )
    render_side: int = Field(default=1280, ge=64, le=4096, description="pixels of a drawn video's longer side, at most")
    render_fps: float = Field(default=30.0, gt=0, description="frames a second of a drawn video, at most")

    detection_side: int = Field(default=640, ge=192, description="pixels of the longer side of the copy searched")
    min_detection_score: float = Field(default=0.5, ge=0.0, le=1.0)
    max_faces: int = Field(default=8, ge=1, description="of one frame; the largest are kept")
    min_eye_distance: float = Field(
        default=16.0,
        ge=0.0,
        description="pixels; below it a crop of margin 1.3 is under 50 pixels wide and mostly interpolation",
    )
    min_sharpness: float = Field(default=8.0, ge=0.0, description="variance of the Laplacian; below it motion blur")
    min_speech_s: float = Field(default=0.5, ge=0.0, description="seconds of speech below which there is none")
