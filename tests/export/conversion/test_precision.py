"""A checkpoint becomes a version in half precision or eight bits, or nothing."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import cv2
import pytest
from telltale_contracts import DetectorManifest, VersionCard
from telltale_export.__main__ import main
from telltale_export.architectures import find_architecture
from telltale_export.conversion import convert as converting
from telltale_export.conversion import verify as verifying
from telltale_export.conversion.convert import Conversion, Converted, convert
from telltale_export.conversion.manifests import manifest_of
from telltale_export.conversion.probes import probes
from telltale_export.conversion.untrained import save_untrained
from telltale_export.conversion.verify import Verification, verify
from telltale_export.errors import ExportError, PackagingError
from telltale_export.packaging import check_version
from telltale_export.precision import DriftLimits

from .conftest import Converter

NAME = "efficientnet-b0"


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    """Twelve pictures, half of them said to be fake."""
    items = probes(find_architecture(NAME).at_reduced_width().input, 12, 3)
    for index, item in enumerate(items):
        folder = tmp_path / "crops" / ("fake" if index % 4 < 2 else "real")
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{index:02}.png"), item)
    return tmp_path / "crops"


def narrowed(converter: Converter, **how: Any) -> Converted:
    architecture = find_architecture(how.pop("name", NAME)).at_reduced_width()
    checkpoint = converter.checkpoint(architecture.name)
    return convert(replace(Conversion(architecture, checkpoint, converter.repository, architecture.name), **how))


def test_eight_bits_are_published_with_their_drift(converter: Converter, crops: Path) -> None:
    single = narrowed(converter)
    eight = narrowed(converter, precision="int8", calibrate_on=crops, limits=DriftLimits(0.5, 1.0))
    card = VersionCard.from_yaml(eight.folder / "card.yaml")
    assert card.precision == eight.precision
    assert card.precision is not None
    assert (card.precision.kind, card.precision.n) == ("int8", 6)
    assert card.precision.calibrated_on == "every other one of 12 inputs of crops"
    assert card.precision.auc_change is not None
    assert card.provenance.command.endswith(
        "--precision int8 --calibrate-on crops --max-drift 0.5 --max-heatmap-drift 1"
    )
    assert str(converter.folder) not in card.provenance.command
    assert "int8" in card.provenance.framework
    assert (eight.folder / "model.onnx").stat().st_size < 0.5 * (single.folder / "model.onnx").stat().st_size
    assert VersionCard.from_yaml(single.folder / "card.yaml").precision is None
    assert "precision" not in (single.folder / "card.yaml").read_text()


def test_the_command_names_files_and_no_folder_of_the_machine(tmp_path: Path) -> None:
    asked = Conversion(find_architecture(NAME), tmp_path / "w.pth", tmp_path / "models", "mine")
    asked = replace(asked, measure_on=tmp_path / "my media", preprocessing="http://127.0.0.1:1")
    command = converting._command(manifest_of(asked.architecture, "mine", "triton"), asked)
    assert command == (
        "telltale-export convert efficientnet-b0 --checkpoint w.pth --name mine --server triton --measure-on 'my media'"
    )


@pytest.mark.parametrize("drift", ["inf", "nan", "-1", "0"])
def test_a_drift_that_is_no_share_is_refused(drift: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["convert", NAME, "--checkpoint", "w", "--to", "m", "--name", "n", f"--max-drift={drift}"])
    assert "is not over 0 and at most 1" in capsys.readouterr().err


def test_half_precision_keeps_its_inputs_and_outputs(converter: Converter) -> None:
    half = narrowed(converter, precision="fp16")
    manifest = DetectorManifest.from_yaml(converter.repository / NAME / "detector.yaml")
    check_version(half.folder, manifest)
    card = VersionCard.from_yaml(half.folder / "card.yaml")
    assert card.precision is not None
    assert card.precision.max_drift <= card.precision.limit == 0.01


def test_a_narrowed_version_can_be_verified(converter: Converter) -> None:
    architecture = find_architecture("color-cues-lstm")
    checkpoint = save_untrained(architecture, converter.folder)
    half = convert(Conversion(architecture, checkpoint, converter.repository, "colour", precision="fp16"))
    assert half.difference.runtime == "onnxruntime in fp16", "of what was published"
    said: list[str] = []
    (golden, random) = verify(Verification(half.folder, checkpoint=checkpoint), said.append)
    assert (golden.inputs, random.inputs) == ("golden", "random")
    assert 0.0 < golden.largest < golden.limit == 0.01

    card = VersionCard.from_yaml(half.folder / "card.yaml")
    assert card.precision is not None
    assert all("(0.01 is allowed)" in line for line in said if "left out" not in line)
    strict = card.precision.model_copy(update={"limit": golden.largest / 2})
    (half.folder / "card.yaml").write_text(card.model_copy(update={"precision": strict}).to_yaml())
    with pytest.raises(PackagingError, match=r"onnxruntime and torch .* differ by"):
        verify(Verification(half.folder, checkpoint=checkpoint), said.append)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"limits": DriftLimits(heatmap=0.1)}, "single precision narrows nothing"),
        ({"repository": Path("/proc/nope")}, "/proc/nope cannot be written to"),
        ({"repository": Path(__file__)}, "cannot be written to: .*Not a directory"),
        ({"precision": "int8"}, "takes its ranges from inputs"),
        ({"precision": "fp16", "limits": DriftLimits(1e-12)}, "drifts by"),
        ({"precision": "fp16", "limits": DriftLimits(heatmap=1e-12)}, "heatmaps drift by"),
        ({"precision": "fp16", "name": "meso4", "server": "tfserving"}, "ONNX graphs only"),
    ],
)
def test_what_cannot_be_narrowed_is_refused_and_nothing_is_written(
    converter: Converter, how: dict[str, Any], says: str
) -> None:
    with pytest.raises(ExportError, match=says):
        narrowed(converter, **how)
    assert not converter.repository.exists()


def test_the_heatmaps_of_a_narrowed_version_are_verified(
    converter: Converter, crops: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying, "find_architecture", lambda name: find_architecture(name).at_reduced_width())
    eight = narrowed(converter, precision="int8", calibrate_on=crops, limits=DriftLimits(1.0, 1.0))
    asked = Verification(eight.folder, converter.folder / f"{NAME}.pth", on=crops)
    said: list[str] = []
    maps = [each for each in verify(asked, said.append) if "heatmap" in each.runtime]
    assert [(each.inputs, each.limit) for each in maps] == [("golden", inf), ("random", inf), ("given", 1.0)]
    assert all(0.0 < each.largest < 1.0 for each in maps)
    assert maps[-1].largest == pytest.approx(eight.precision and eight.precision.heatmap_drift, abs=1e-5)
    assert sum("forbids nothing" in line for line in said) == 4
    with pytest.raises(ExportError, match="differ from its source on the other ones of 12 inputs of crops, which are"):
        verify(replace(asked, on=None), said.append)

    card = VersionCard.from_yaml(eight.folder / "card.yaml")
    assert card.precision is not None
    strict = card.precision.model_copy(update={"heatmap_limit": 0.01})
    (eight.folder / "card.yaml").write_text(card.model_copy(update={"precision": strict}).to_yaml())
    with pytest.raises(PackagingError, match=r"the heatmap onnxruntime and torch .* differ by"):
        verify(asked, said.append)
