"""The commands against the real stack: /predict, a detector behind it, and a version asked by itself, say the same."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from telltale_contracts import VersionCard
from telltale_export.evaluation.sheet import Sheet, read_sheet

ROOT = Path(__file__).parents[3]
SERVICES, MODELS = ROOT / ".venvs/services/bin/python", ROOT / ".venvs/models/bin/python"
DRIVER = """
import sys
from telltale_export.__main__ import main
data, repository, out = sys.argv[1:]
def run(*arguments):
    if main([*arguments, "--data", data]) != 0:
        sys.exit(f"{arguments[0]} failed")
run("evaluate", "--to", out + "/whole", "--robustness", "--rounds", "50")
run("evaluate", "--to", out + "/row", "--detector", "toy-synthesis", "--rounds", "50")
run("evaluate", "--to", out + "/direct", "--version", repository + "/toy-synthesis/1", "--rounds", "50")
run("calibrate", "--version", repository + "/toy-face/1", "--method", "temperature", "--seed", "1")
sys.exit(main(["fusion", "compare", "--scores", out + "/whole/scores.json", "--rounds", "50"]))
"""


@dataclass(frozen=True)
class Done:
    """What the commands left behind, and what they said."""

    repository: Path
    out: Path
    said: str

    def sheet(self, name: str) -> Sheet:
        """The scores of one evaluation."""
        return read_sheet(self.out / name / "scores.json")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Portraits of nine groups, the forged ones brighter, and a picture of nobody."""
    folder = tmp_path_factory.mktemp("set")
    portrait = cv2.imread(str(ROOT / ".cache/assets/astronaut.png"))[:300, 50:350]
    for label, beta in (("real", -40), ("fake", 10)):
        (folder / label).mkdir()
        for number in range(9):
            picture = cv2.convertScaleAbs(portrait, alpha=0.8, beta=beta + 6 * number + 40)
            assert cv2.imwrite(str(folder / label / f"{number}.png"), picture)
    assert cv2.imwrite(str(folder / "real/nobody.png"), np.full((200, 200, 3), 90, np.uint8))
    return folder


@pytest.fixture(scope="module")
def done(data: Path, toy_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """All commands, one after the other, against a stack of its own."""
    if not SERVICES.is_file():
        pytest.skip("needs the environment of the services, .venvs/services")
    repository, out = tmp_path_factory.mktemp("models") / "repository", tmp_path_factory.mktemp("out")
    shutil.copytree(toy_repository, repository)
    launcher = [SERVICES, "-m", "telltale_local", "run", "--model-repository", repository, "--"]
    command = [*launcher, MODELS, "-c", DRIVER, data, repository, out]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=200)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return Done(repository, out, ran.stdout)


def test_every_file_is_there_under_every_treatment(done: Done) -> None:
    sheet = done.sheet("whole")
    assert set(sheet.subject.detectors) == {"toy-face", "toy-synthesis", "toy-voice"}
    treatments = ["untouched", "JPEG 75", "JPEG 50", "half size", "blur"]
    assert list(dict.fromkeys(each.treatment for each in sheet.files)) == treatments
    for treatment in treatments:
        files = sheet.of(treatment)
        assert len(files) == 19
        assert [(Path(each.path).name, each.missing) for each in files if each.score is None] == [
            ("nobody.png", "no_face")
        ]
    assert {each.in_question for each in sheet.of() if each.score is not None} == {("face_swap", "face_synthesis")}
    assert (done.out / "whole/report.html").stat().st_size > 10_000


def test_a_detector_is_the_same_asked_by_itself_and_behind_predict(done: Done) -> None:
    whole = {each.path: each for each in done.sheet("whole").of()}
    behind = {each.path: each.score for each in done.sheet("row").of()}
    direct = {each.path: each.score for each in done.sheet("direct").of()}
    assert len(behind) == len(direct) == 19
    for path, score in behind.items():
        rows = {row.name: row.score for row in whole[path].detectors}
        if score is None:
            assert direct[path] is None
        else:
            assert score == pytest.approx(rows["toy-synthesis"], abs=1e-6)
            assert direct[path] == pytest.approx(score, abs=1e-6)


def test_a_calibration_is_published_as_the_next_version(done: Done, toy_repository: Path) -> None:
    old, new = (VersionCard.from_yaml(done.repository / f"toy-face/{version}/card.yaml") for version in (1, 2))
    assert new.artifact.sha256 == old.artifact.sha256
    assert new.calibration.method == "temperature"
    assert new.calibration.slope > 1.2
    assert "version 1's" in new.calibration.fitted_on
    assert new.threshold != old.threshold
    assert {measured.medium for measured in new.measured} == {"image"}
    before = (toy_repository / "toy-face/1/card.yaml").read_bytes()
    assert (done.repository / "toy-face/1/card.yaml").read_bytes() == before
    assert "left out: 1 x no_face, such as nobody.png" in done.said


def test_the_rule_that_is_compared_is_the_one_that_served(done: Done) -> None:
    """``fusion compare`` refuses scores that its own formula does not give."""
    assert "18 files of" in done.said
    assert "rival forgeries" in done.said
