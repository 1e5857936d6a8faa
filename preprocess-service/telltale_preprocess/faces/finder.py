"""Find the faces of successive pictures of one upload, the small ones too where there may be some."""

from __future__ import annotations

from telltale_preprocess.faces.detector import Face, FaceDetector
from telltale_preprocess.faces.mesh import FaceMesh
from telltale_preprocess.media.planar import Rgb

# The detector's input is 192 pixels wide: it misses many faces under a fourteenth of the picture. Where a
# larger one was found, somebody stands before the camera, and tiles are not worth their time.
_LARGE_SHARE = 0.07
# In a smaller picture a face that only a tile shows has too few pixels to judge.
_MIN_TILED_SIDE = 512
_MAX_PAUSE = 7
_MIN_PRESENCE = 0.5
_SURE_SCORE = 0.75
_SAME_OVERLAP = 0.3


class FaceFinder:
    """Looks at the whole of each picture, and at its tiles when the faces found are few and small.

    Tiles that show nothing new are tried again after 1, 3 and then 7 pictures. They also show faces that are none: what
    only they find, or what nobody is sure of, counts when the mesh model sees a face as well.
    """

    def __init__(self, detector: FaceDetector, mesh: FaceMesh, max_faces: int) -> None:
        self._detector = detector
        self._mesh = mesh
        self._max_faces = max_faces
        self._pause = 0
        self._wait = 0

    def find(self, rgb: Rgb) -> list[Face]:
        """Faces of a picture (uint8 [height, width, 3], RGB), the largest first."""
        faces = self._detector.detect(rgb)
        longer = max(rgb.shape[:2])
        if longer < _MIN_TILED_SIDE or any(face.side > _LARGE_SHARE * longer for face in faces):
            return faces
        if self._wait:
            self._wait -= 1
            return faces
        checked = self._checked(rgb, faces)
        both = self._checked(rgb, _distinct([*checked, *self._detector.detect_on_tiles(rgb)]), known=checked)
        self._pause = 0 if len(both) > len(checked) else min(2 * self._pause + 1, _MAX_PAUSE)
        self._wait = self._pause
        return sorted(both, key=lambda face: face.side, reverse=True)[: self._max_faces]

    def _checked(self, rgb: Rgb, faces: list[Face], known: list[Face] | None = None) -> list[Face]:
        """Those that are surely faces; ``known`` have been checked, without it only the doubtful are."""
        return [
            face
            for face in faces
            if (face.score >= _SURE_SCORE if known is None else any(face is each for each in known))
            or self._mesh.landmarks(rgb, face).presence >= _MIN_PRESENCE
        ]


def _distinct(faces: list[Face]) -> list[Face]:
    """Each face once, as the finding that the detector is surest of shows it."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: face.score, reverse=True):
        if all(_overlap(face, other) < _SAME_OVERLAP for other in kept):
            kept.append(face)
    return kept


def _overlap(one: Face, other: Face) -> float:
    """Shared area over the smaller box's."""
    (x, y, width, height), (u, v, across, down) = one.box, other.box
    shared = max(0.0, min(x + width, u + across) - max(x, u)) * max(0.0, min(y + height, v + down) - max(y, v))
    return shared / max(min(width * height, across * down), 1e-9)
