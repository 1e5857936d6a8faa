"""Source, artefact and served model answer alike, or the one that does not is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from telltale_contracts import VersionCard
from telltale_export.__main__ import main
from telltale_export.architectures import find_architecture
from telltale_export.conversion import verify as verifying
from telltale_export.conversion.parity import LIMIT
from telltale_export.conversion.verify import Verification, verify
from telltale_export.errors import CheckpointError, ExportError, PackagingError

from .conftest import Converter, Specimens

ROOT = Path(__file__).parents[3]


def _silent(_: str) -> None:
    pass


def test_a_version_agrees_with_its_source(specimens: Specimens) -> None:
    specimen = specimens.whole("lfcc-lcnn")
    said: list[str] = []

    found = verify(Verification(specimen.folder, specimen.checkpoint, random_items=5), said.append)

    assert [(each.inputs, each.runtime) for each in found] == [("golden", "onnxruntime"), ("random", "onnxruntime")]
    assert all(each.largest <= LIMIT for each in found)
    assert ["5 items" in line for line in said if "left out" not in line] == [False, True]


@pytest.mark.parametrize("name", ["efficientnet-b0", "meso4"])
def test_a_server_of_its_own_is_started_and_agrees(
    specimens: Specimens, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    heatmap = find_architecture(name).heatmap
    if heatmap and not (ROOT / ".cache/assets/pytriton").is_dir():
        pytest.skip("needs tritonserver, which `make setup` fetches")
    specimen = specimens.whole(name)

    assert main(["verify", str(specimen.folder), "--checkpoint", str(specimen.checkpoint), "--random", "3"]) == 0

    lines = [line for line in capfd.readouterr().out.splitlines() if line.startswith(("golden", "random"))]
    maps = [line for line in lines if "heatmap" in line]
    assert len(maps) == (6 if heatmap else 0)
    assert len(lines) - len(maps) == 6, "three pairs of runtimes, on golden and on random items"
    assert sum("served" in line for line in lines) == (8 if heatmap else 4)
    assert all(float(line.split()[-1]) <= LIMIT for line in lines)


def test_an_artefact_of_other_weights_is_found(
    specimens: Specimens, whole: Converter, capsys: pytest.CaptureFixture[str]
) -> None:
    """A card that names one checkpoint beside the graph of another."""
    mine = specimens.whole("lfcc-lcnn")
    truth = VersionCard.from_yaml(mine.folder / "card.yaml")
    folder = whole.convert("lfcc-lcnn", whole.checkpoint("lfcc-lcnn", seed=7)).folder
    card = VersionCard.from_yaml(folder / "card.yaml")
    (folder / "card.yaml").write_text(card.model_copy(update={"provenance": truth.provenance}).to_yaml())

    assert main(["verify", str(folder), "--checkpoint", str(mine.checkpoint), "--not-served"]) == 2

    shown = capsys.readouterr()
    assert "onnxruntime and torch" in shown.err
    assert "more than 1e-04" in shown.err
    assert "The served model was left out." in shown.out
    assert len(shown.out.splitlines()) == 3, "the differences are said before it fails"


def test_another_heatmap_is_found(specimens: Specimens, monkeypatch: pytest.MonkeyPatch) -> None:
    specimen = specimens.small("efficientnet-b0")
    asked = Verification(specimen.folder, specimen.checkpoint)
    monkeypatch.setattr(verifying, "find_architecture", lambda name: find_architecture(name).at_reduced_width())
    assert len(verify(asked, _silent)) == 4
    answered = verifying.answer_artifact

    def upside_down(*given: Any) -> dict[str, Any]:
        answers = dict(answered(*given))
        return {**answers, "heatmap": answers["heatmap"][:, ::-1]}

    monkeypatch.setattr(verifying, "answer_artifact", upside_down)
    with pytest.raises(PackagingError, match=r"the heatmap onnxruntime and torch .* differ by"):
        verify(asked, _silent)


def test_a_version_that_is_compared_with_nothing_does_not_pass(
    specimens: Specimens, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(specimens.small("lfcc-lcnn").folder), "--not-served"]) == 2
    assert "nothing was compared" in capsys.readouterr().err


def test_another_checkpoint_than_the_card_names_is_refused(specimens: Specimens, whole: Converter) -> None:
    with pytest.raises(CheckpointError, match="the card says"):
        verify(Verification(specimens.whole("lfcc-lcnn").folder, whole.checkpoint("lfcc-lcnn", seed=1)), _silent)


def test_a_changed_file_is_found_before_anything_is_compared(specimens: Specimens, tmp_path: Path) -> None:
    folder = specimens.small("lfcc-lcnn").copied(tmp_path / "models")
    with (folder / "model.onnx").open("ab") as stream:
        stream.write(b"\0")

    with pytest.raises(PackagingError, match=r"model\.onnx is not what card\.yaml says"):
        verify(Verification(folder), _silent)


@pytest.mark.parametrize(
    ("name", "address", "said"),
    [
        ("lfcc-lcnn", {"triton": "http://127.0.0.1:1"}, "Triton at http://127.0.0.1:1 cannot be reached"),
        ("meso4", {"tfserving": "127.0.0.1:1"}, "TensorFlow Serving at 127.0.0.1:1 did not answer"),
    ],
)
def test_a_server_that_is_not_there_is_said_to_be(
    specimens: Specimens, name: str, address: dict[str, str], said: str
) -> None:
    with pytest.raises(ExportError, match=said):
        verify(Verification(specimens.small(name).folder, **address), _silent)


def test_what_is_no_version_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(tmp_path)]) == 2
    assert "is no version of a detector" in capsys.readouterr().err
