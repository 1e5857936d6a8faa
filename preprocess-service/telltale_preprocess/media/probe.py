"""Tell what an upload is, by its content and never by its name, and refuse early what cannot be worked on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

import av
from PIL import Image
from telltale_contracts import MediaFacts

from telltale_preprocess.errors import DamagedMedia, EmptyMedia, MediaTooDemanding, NotMedia
from telltale_preprocess.media.animation import animation_timeline
from telltale_preprocess.media.container import open_container
from telltale_preprocess.media.magic import begins_like_media, is_plain_text
from telltale_preprocess.media.still import exif_rotation, is_animation, open_still, refuse_size, webp_size
from telltale_preprocess.media.timeline import Timeline, audio_stream, read_times, video_stream
from telltale_preprocess.settings import Settings

_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"mif1"}
_AVIF_BRANDS = {b"avif", b"avis"}
_HEAD = 4096


@dataclass(frozen=True)
class Still:
    """A picture, opened but not decoded."""

    facts: MediaFacts
    picture: Image.Image


@dataclass(frozen=True)
class Recording:
    """A video (with a timeline), a sound (of so many seconds), or both; ``animation`` is the picture of a video that
    Pillow decodes."""

    facts: MediaFacts
    timeline: Timeline | None
    sound_s: float | None
    animation: Image.Image | None = None


def probe(file: BinaryIO, settings: Settings) -> Still | Recording:
    """What the file is, and its facts.

    Raises:
        EmptyMedia, NotMedia, DamagedMedia, ImageTooLarge, ImageTooSmall, MediaTooLong, MediaTooDemanding: as their
            names say.
    """
    if not file.seek(0, 2):
        raise EmptyMedia("The file has 0 bytes.")
    file.seek(0)
    limits = {"max_pixels": settings.max_pixels, "min_side": settings.min_side}
    if (claimed := webp_size(file.read(30))) is not None:
        refuse_size(*claimed, **limits)
    picture = open_still(file)
    file.seek(0)
    head = file.read(_HEAD)
    if is_plain_text(head):
        raise NotMedia("It is plain text, in no format of video, image or sound that is read here.")
    if picture is not None:
        refuse_size(*picture.size, **limits)
    if picture is not None and not is_animation(picture):
        return _still(picture)
    if picture is not None and picture.format == "WEBP":
        return _animation(file, picture, settings)
    _refuse_heif(head)
    return _moving(file, head, picture, settings)


def _moving(file: BinaryIO, head: bytes, picture: Image.Image | None, settings: Settings) -> Still | Recording:
    """What libavformat makes of it; where it cannot read it, what its first bytes say it was meant to be."""
    try:
        return _recording(file, settings)
    except NotMedia as error:
        if head[4:8] == b"ftyp" and head[8:12] in _AVIF_BRANDS:
            raise DamagedMedia("It begins like an AVIF picture, but is cut off before the picture.") from error
        raise
    except av.FFmpegError as error:
        if picture is not None:
            # An animation in a format that only Pillow reads: its first frame.
            return _still(picture)
        if begins_like_media(head):
            raise DamagedMedia(f"It begins like media, but its container cannot be read: {error.strerror}.") from error
        raise NotMedia("Its content is in no format of video, image or sound that is read here.") from error


def _refuse_heif(head: bytes) -> None:
    # libavformat opens HEIC, but as one stream for each tile: the picture would silently be its first tile.
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS:
        raise NotMedia("It is a HEIC picture, which is not read here; JPEG, PNG, WebP and AVIF are.")


def _still(picture: Image.Image) -> Still:
    rotation = exif_rotation(picture)
    width, height = picture.size if rotation % 180 == 0 else picture.size[::-1]
    container = (picture.format or "unknown").lower()
    return Still(
        MediaFacts(kind="image", container=container, width=width, height=height, total_frames=1, rotation=rotation),
        picture,
    )


def _animation(file: BinaryIO, picture: Image.Image, settings: Settings) -> Recording:
    facts = _still(picture).facts
    timeline = animation_timeline(file, settings.max_duration_s)
    found: dict[str, object] = {
        "kind": "video",
        "video_codec": facts.container,
        "duration_s": timeline.duration_s,
        "src_fps": timeline.fps,
        "total_frames": len(timeline.times),
        "variable_frame_rate": timeline.variable,
    }
    return Recording(facts.model_copy(update=found), timeline, None, animation=picture)


def _recording(file: BinaryIO, settings: Settings) -> Recording:
    with open_container(file) as container:
        video, audio = video_stream(container), audio_stream(container)
        if video is None and audio is None:
            raise NotMedia(f"The {container.format.name} container holds neither picture nor sound.")
        if video is not None:
            if not video.width * video.height:
                raise DamagedMedia("Its video stream claims a size that no decoder accepts, or none.")
            refuse_size(video.width, video.height, max_pixels=settings.max_pixels, min_side=settings.min_side)
        facts = MediaFacts(
            kind="video" if video is not None else "audio",
            container=container.format.name,
            video_codec=video.codec_context.name if video is not None else None,
            width=video.width if video is not None else None,
            height=video.height if video is not None else None,
            audio_codec=audio.codec_context.name if audio is not None else None,
            sample_rate=audio.rate if audio is not None else None,
            channels=audio.channels if audio is not None else None,
            audio_track=container.streams.audio.index(audio) if audio is not None else None,
            audio_tracks=len(container.streams.audio) if audio is not None else None,
        )
        times = read_times(container, settings.max_duration_s)
    timeline = times.timeline
    found: dict[str, str | float | bool | None] = {"duration_s": times.duration_s}
    if timeline is not None:
        _refuse_rate(timeline, (facts.width or 0) * (facts.height or 0), settings.max_pixel_rate)
        found |= {
            "src_fps": timeline.fps,
            "total_frames": len(timeline.times),
            "variable_frame_rate": timeline.variable,
        }
    elif audio is None:
        raise DamagedMedia("Its video stream holds no frame.")
    else:
        found |= {"kind": "audio", "video_codec": None, "width": None, "height": None}
    return Recording(facts.model_copy(update=found), timeline, times.sound_s)


def _refuse_rate(timeline: Timeline, pixels: int, most: float) -> None:
    rate = pixels * (timeline.fps or 0.0)
    if rate > most:
        raise MediaTooDemanding(
            f"Frames of {pixels / 1e6:.1f} megapixels at {timeline.fps:.0f} a second are {rate / 1e9:.1f} gigapixels a "
            f"second; at most {most / 1e9:.1f} are allowed."
        )
