"""Which part of a frame an item shows, in pixels of the upright frame: x, y, width, height."""

from __future__ import annotations

import math

from telltale_contracts import BundleMetadata, EyeClip, FaceClip, FaceCrop, FrameClip, Image, InputSpec

Box = tuple[float, float, float, float]


def region_of(spec: InputSpec, metadata: BundleMetadata, frame: int, track: int) -> Box | None:
    """The part of a frame that a tensor's rows and columns cover; it may reach beyond the frame.

    None of sound, of histograms, and where the part is not an upright rectangle (faces that were turned level).
    """
    if isinstance(spec, Image | FrameClip):
        return _of_frame(spec.fit, metadata)
    if isinstance(spec, EyeClip) or not isinstance(spec, FaceCrop | FaceClip) or spec.align != "none":
        return None
    boxes = [
        seen.box
        for known in metadata.tracks
        if known.track == track
        for seen in known.observations
        if seen.frame == frame
    ]
    return _of_face(spec, boxes[0], metadata) if boxes else None


def _of_face(spec: FaceCrop | FaceClip, box: Box, metadata: BundleMetadata) -> Box:
    x, y, width, height = box
    middle_x, middle_y = x + width / 2, y + height / 2
    if spec.fit == "square":
        return _around(middle_x, middle_y, spec.margin * max(width, height))
    left, top = max(0.0, middle_x - spec.margin * width / 2), max(0.0, middle_y - spec.margin * height / 2)
    right = min(metadata.media.width or math.inf, middle_x + spec.margin * width / 2)
    bottom = min(metadata.media.height or math.inf, middle_y + spec.margin * height / 2)
    if spec.fit == "stretch":
        return (left, top, right - left, bottom - top)
    return _around((left + right) / 2, (top + bottom) / 2, max(right - left, bottom - top))


def _of_frame(fit: str, metadata: BundleMetadata) -> Box | None:
    if metadata.media.width is None or metadata.media.height is None:
        return None
    width, height = float(metadata.media.width), float(metadata.media.height)
    if fit == "stretch":
        return (0.0, 0.0, width, height)
    return _around(width / 2, height / 2, min(width, height) if fit == "crop" else max(width, height))


def _around(x: float, y: float, side: float) -> Box:
    return (x - side / 2, y - side / 2, side, side)
