"""Change an item as uploads are changed; nothing here knows the item's class."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from telltale_contracts import ClipSpec, FaceCrop, Image, InputSpec, Waveform

from telltale_export.faces.degradation import encode_jpeg
from telltale_export.training.plan import Augmentation
from telltale_export.voice.degrade import draw_channel, through_channel
from telltale_export.voice.sounds import repeat_to

Items = NDArray[np.generic]
Picture = NDArray[np.uint8]
Augment = Callable[[Items, np.random.Generator], Items]
_SOUND_RATE = 16_000


def augmentation_for(spec: InputSpec, wanted: Augmentation) -> Augment:
    """What is done to items of a spec: pictures, clips and sounds are changed, features stay as they are."""
    if isinstance(spec, Waveform) and spec.sample_rate == _SOUND_RATE:
        return lambda item, random: _sound(item, wanted.channel, random)
    if isinstance(spec, FaceCrop | Image):
        return lambda item, random: _pictures(item[None], wanted, random)[0]
    if isinstance(spec, ClipSpec):
        return lambda item, random: _pictures(item, wanted, random) if _is_clip(item) else item
    return lambda item, _: item


def _is_clip(item: Items) -> bool:
    return item.dtype == np.uint8 and item.ndim == 4 and item.shape[-1] == 3


def _pictures(frames: Items, wanted: Augmentation, random: np.random.Generator) -> Items:
    """uint8 [T, H, W, 3]: every frame of a clip alike."""
    steps: list[Callable[[Picture], Picture]] = []
    if random.random() < wanted.flip:
        steps.append(lambda picture: np.ascontiguousarray(picture[:, ::-1]))
    if random.random() < wanted.colour:
        gain, offset = random.uniform(0.8, 1.2, 3), random.uniform(-16, 16, 3)
        steps.append(lambda picture: np.clip(picture * gain + offset, 0, 255).astype(np.uint8))
    if random.random() < wanted.resize:
        factor = float(random.uniform(0.4, 0.95))
        steps.append(lambda picture: _through_size(picture, factor))
    if random.random() < wanted.blur:
        sigma = float(random.uniform(0.3, 1.5))
        steps.append(lambda picture: np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), dtype=np.uint8))
    if random.random() < wanted.jpeg:
        quality = int(random.integers(40, 96))
        steps.append(lambda picture: encode_jpeg(picture, quality))
    changed = []
    for frame in np.asarray(frames, dtype=np.uint8):
        picture = frame
        for step in steps:
            picture = step(picture)
        changed.append(picture)
    return np.stack(changed)


def _through_size(picture: Picture, factor: float) -> Picture:
    height, width = picture.shape[:2]
    small = (max(8, int(width * factor)), max(8, int(height * factor)))
    down = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(down, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def _sound(pcm: Items, strength: float, random: np.random.Generator) -> Items:
    if strength == 0.0:
        return pcm
    heard = through_channel(np.asarray(pcm, dtype=np.float32), draw_channel(random, strength))
    return repeat_to(heard, len(pcm))[: len(pcm)]
