"""Put the samples together."""

from __future__ import annotations

from pathlib import Path

import cv2

from telltale_export.samples.clip import camera, write_clip
from telltale_export.samples.portrait import BOX, forge, read_portrait
from telltale_export.samples.voice import write_voice


def make_samples(portrait: Path, espeak: Path, to: Path) -> list[Path]:
    """Write genuine.mp4 and forged.mp4, portrait.png and portrait-forged.png, voice-synthetic.wav.

    The clips are silent: a synthetic voice would make the genuine one a forgery too. Both take the same camera's way.

    Raises:
        DataError: the portrait or espeak-ng is not there.
    """
    picture = read_portrait(portrait)
    forged = forge(picture).forged
    to.mkdir(parents=True, exist_ok=True)
    middle = (BOX[0] + BOX[2] / 2, BOX[1] + BOX[3] / 2)
    made = [to / "voice-synthetic.wav"]
    write_voice(espeak, made[0])
    for still, film, name in ((picture, "genuine.mp4", "portrait.png"), (forged, "forged.mp4", "portrait-forged.png")):
        write_clip(camera(still, middle), to / film)
        if not cv2.imwrite(str(to / name), still[:, :, ::-1]):
            raise OSError(f"could not write {to / name}")
        made += [to / film, to / name]
    return made
