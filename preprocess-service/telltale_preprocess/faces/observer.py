"""Judge each face that was found: how much it is worth, and whether anything may be concluded from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import FaceObservation, UnusableReason

from telltale_preprocess.faces.detector import Face
from telltale_preprocess.faces.eyes import eye_aspect_ratios
from telltale_preprocess.faces.mesh import FaceMesh, Mesh
from telltale_preprocess.faces.pose import Pose, estimate_pose
from telltale_preprocess.faces.quality import judged_crop, looks, quality, share_inside, sharpness
from telltale_preprocess.media.planar import Rgb
from telltale_preprocess.settings import Settings

# A detector that is less sure than this is asked twice: the mesh model says whether there is a face under its points.
_DOUBTFUL_SCORE = 0.75
_MIN_PRESENCE = 0.5
_MIN_INSIDE = 0.6
_MAX_YAW = 75.0
_INNER_LANDMARKS = 4


@dataclass(frozen=True)
class SeenFace:
    """A face, its colours for tracking, its dense landmarks where they were taken, and the judgement of it."""

    face: Face
    looks: NDArray[np.float64]
    mesh: Mesh | None
    observation: FaceObservation
    worth: float


class FaceObserver:
    """Judges faces by the settings' thresholds; takes dense landmarks of all when ``dense``, else of doubtful ones."""

    def __init__(self, mesh: FaceMesh, settings: Settings, *, dense: bool) -> None:
        self._mesh = mesh
        self._settings = settings
        self._dense = dense

    def observe(self, rgb: Rgb, face: Face, place: int) -> SeenFace:
        """Judge one face of a picture that is sampled frame ``place``."""
        crop = judged_crop(rgb, face)
        sharp, pose = sharpness(crop), estimate_pose(face)
        inside = share_inside(face, *rgb.shape[:2])
        mesh = self._mesh.landmarks(rgb, face) if self._dense or face.score < _DOUBTFUL_SCORE else None
        unusable = self._unusable(face, sharp, pose, inside, mesh) or _off_picture(rgb, face)
        observation = FaceObservation(
            frame=place,
            box=face.box,
            score=min(1.0, max(0.0, face.score)),
            landmarks=tuple((x, y) for x, y in face.landmarks.tolist()),
            eye_distance=face.eye_distance,
            sharpness=sharp,
            usable=unusable is None,
            unusable=unusable,
            yaw=pose.yaw,
            pitch=pose.pitch,
            roll=pose.roll,
            inside=inside,
            presence=mesh.presence if mesh is not None else None,
            eye_aspect=eye_aspect_ratios(mesh) if mesh is not None else None,
        )
        visible = inside * (mesh.presence if mesh is not None else 1.0)
        return SeenFace(face, looks(crop), mesh, observation, quality(face, sharp, pose, visible))

    def _unusable(
        self, face: Face, sharp: float, pose: Pose, inside: float, mesh: Mesh | None
    ) -> UnusableReason | None:
        if face.eye_distance < self._settings.min_eye_distance:
            return "turned_away" if abs(pose.yaw) > _MAX_YAW else "too_small"
        if sharp < self._settings.min_sharpness:
            return "blurred"
        if inside < _MIN_INSIDE:
            return "cut_off"
        if abs(pose.yaw) > _MAX_YAW:
            return "turned_away"
        return "occluded" if mesh is not None and mesh.presence < _MIN_PRESENCE else None


def _off_picture(rgb: Rgb, face: Face) -> UnusableReason | None:
    height, width = rgb.shape[:2]
    inner = face.landmarks[:_INNER_LANDMARKS].tolist()
    return None if all(0 <= x <= width and 0 <= y <= height for x, y in inner) else "cut_off"
