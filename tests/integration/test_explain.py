"""``POST /predict?explain=true`` through both servers: the map is of the graph that decided, or of its own scores."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.integration.stack import RunningStack, running_stack


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack of two toys whose graphs answer a heatmap."""
    repository = tmp_path_factory.mktemp("maps") / "model-repository"
    toys = [ROOT / ".venvs/models/bin/python", ROOT / "tests/toys.py", repository, "--heatmaps"]
    subprocess.run(toys, check=True, timeout=120)
    with running_stack(repository, tmp_path_factory.mktemp("stack")) as running:
        yield running


def detectors_of(stack: RunningStack, media: Path, **query: str) -> dict[str, dict[str, Any]]:
    response = stack.predict(media, **query)
    assert response.status_code == 200, response.text
    return {detector["name"]: detector for detector in response.json()["detectors"]}


@pytest.mark.parametrize("name", ["toy-map", "toy-dark-map"])
def test_the_map_that_the_graph_answers_is_what_decided(
    mapped: RunningStack, media: dict[str, Path], name: str
) -> None:
    detector = detectors_of(mapped, media["face"], explain="true", max_frames="4")[name]
    assert detector["status"] == "scored"
    maps = detector["heatmaps"]
    assert len(maps) == 2, "as many items as one batch holds"
    for shown in maps:
        assert shown["method"] == "class_activation"
        assert shown["version"] == 1
        assert shown["track"] == 0
        grid = np.array(shown["grid"])
        assert grid.shape == (4, 4)
        assert 1.0 / (1.0 + math.exp(-grid.mean())) == pytest.approx(shown["score"], abs=1e-3)
        width, height = shown["box"][2:]
        assert width == pytest.approx(height)
        assert min(width, height) > 40


def test_nobody_pays_for_a_map_that_was_not_asked_for(mapped: RunningStack, media: dict[str, Path]) -> None:
    assert all(detector["heatmaps"] == [] for detector in detectors_of(mapped, media["still"]).values())


def test_detectors_without_a_map_are_occluded_through_their_servers(
    stack: RunningStack, media: dict[str, Path]
) -> None:
    response = stack.predict(media["face and voice"], explain="true", max_frames="4")
    assert response.status_code == 200, response.text
    verdict = response.json()
    detectors = {detector["name"]: detector for detector in verdict["detectors"]}
    for name, shape in (("toy-face", (7, 7)), ("toy-synthesis", (7, 7)), ("toy-voice", (1, 16))):
        (shown,) = detectors[name]["heatmaps"]
        assert shown["method"] == "occlusion"
        assert np.array(shown["grid"]).shape == shape
        assert f"{name} shows 1 item by occlusion through the served model." in verdict["explanation"]
    # Each of these two scores the mean brightness of its crop, so what its parts add is nothing in sum.
    for name in ("toy-face", "toy-synthesis"):
        grid = np.array(detectors[name]["heatmaps"][0]["grid"])
        assert np.abs(grid).max() > 0.001
        assert abs(grid.sum()) < 0.1 * np.abs(grid).sum()
    (voice,) = detectors["toy-voice"]["heatmaps"]
    assert voice["box"] is None
    assert voice["until"] > voice["t"]
    assert min(voice["grid"][0]) >= 0.0, "the toy hears loudness: silence can only lower its score"
