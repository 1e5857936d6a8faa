"""A checkpoint becomes a version that answers as its own framework does, or nothing is written."""

from __future__ import annotations

import re
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from telltale_contracts import Calibration, DetectorManifest, Server, VersionCard
from telltale_export.__main__ import main
from telltale_export.architectures import architectures, find_architecture
from telltale_export.checkpoints import read_checkpoint
from telltale_export.conversion import convert as converting
from telltale_export.conversion.convert import Conversion
from telltale_export.conversion.parity import LIMIT, Difference, difference, logit_difference, require_parity
from telltale_export.conversion.probes import probes
from telltale_export.conversion.source import load_source
from telltale_export.errors import CheckpointError, ExportError, PackagingError
from telltale_export.packaging import MAX_IR, MAX_OPSET, check_repository, read_document, versions

from .conftest import Converter, Specimens

EVERY_WAY = [
    (name, server)
    for name, architecture in architectures().items()
    for server in (("tfserving", "triton") if architecture.framework == "keras" else ("triton",))
]


@pytest.mark.parametrize(("name", "server"), EVERY_WAY)
def test_random_weights_of_each_architecture(specimens: Specimens, name: str, server: Server) -> None:
    specimen = specimens.small(name, server)

    assert specimen.converted.difference.largest <= LIMIT
    home = specimen.repository / name
    manifest = DetectorManifest.from_yaml(home / "detector.yaml")
    architecture = find_architecture(name).at_reduced_width()
    assert (manifest.server, manifest.input, manifest.forgery) == (server, architecture.input, architecture.forgery)
    assert manifest.sampling == architecture.sampling
    assert ("sampling" in (home / "detector.yaml").read_text()) == (architecture.sampling is not None)
    card = VersionCard.from_yaml(specimen.folder / "card.yaml")
    assert card.provenance.architecture == name
    assert specimen.checkpoint.name in card.provenance.initialised_from
    assert (card.calibration.method, card.measured) == ("none", ())
    assert not card.measured_on("video")
    assert [report.detector for report in check_repository(specimen.repository)] == [name]
    if server == "triton":
        _check_graph(specimen.folder / "model.onnx", manifest)
        config = (home / "config.pbtxt").read_text()
        assert "dynamic_batching" in config
        assert ('"heatmap"' in config) == architecture.heatmap
        assert "-1" not in config, "Triton wants the dimensions that the graph has"
    else:
        _check_warm_up(specimen.folder / "assets.extra/tf_serving_warmup_requests", manifest)


def _check_graph(path: Path, manifest: DetectorManifest) -> None:
    model = onnx.load(str(path))
    assert (model.ir_version <= MAX_IR, max(each.version for each in model.opset_import) <= MAX_OPSET) == (True, True)
    shaped = {entry.name for entry in model.graph.value_info}
    inner = {name for node in model.graph.node for name in node.output if name} - {o.name for o in model.graph.output}
    assert len(shaped & inner) > 0.9 * len(inner)
    outputs = [output.name for output in model.graph.output]
    assert set(outputs) == {"probability"} | ({"heatmap"} if manifest.tensors.heatmap else set())


def _check_warm_up(path: Path, manifest: DetectorManifest) -> None:
    """TFRecord: length, its checksum, the message, its checksum."""
    from telltale_tfserving import PredictRequest, decode_tensor  # noqa: PLC0415 - of this check only

    content, sizes = path.read_bytes(), []
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        record, content = content[12 : 12 + length], content[12 + length + 4 :]
        # PredictionLog.predict_log (field 6) holds PredictLog.request (field 1).
        predict_log = _only_field(record, 6)
        request = PredictRequest.FromString(_only_field(predict_log, 1))
        assert (request.model_spec.name, request.model_spec.signature_name) == (manifest.name, "serving_default")
        sizes.append(decode_tensor(request.inputs[manifest.tensors.input]).shape[0])
    assert sizes == [1, 2]


def _only_field(message: bytes, field: int) -> bytes:
    assert message[0] == field << 3 | 2
    size = shift = position = 0
    while True:
        position += 1
        size |= (message[position] & 127) << shift
        shift += 7
        if message[position] < 128:
            break
    assert len(message) == position + 1 + size
    return message[position + 1 :]


def test_another_version_is_written_beside(converter: Converter) -> None:
    converter.convert("lfcc-lcnn", converter.checkpoint("lfcc-lcnn"))
    second = converter.convert("lfcc-lcnn", converter.checkpoint("lfcc-lcnn", seed=1))

    assert second.folder.name == "2"
    assert [report.version for report in check_repository(converter.repository)] == [1, 2]


def test_a_heatmap_decides(specimens: Specimens) -> None:
    """What is shown is what decided: the map's mean is the logit."""
    from telltale_export.packaging import answer_artifact  # noqa: PLC0415 - of this test only

    folder = specimens.small("efficientnet-b0-64", "tfserving").folder
    manifest = DetectorManifest.from_yaml(folder.parent / "detector.yaml")
    items = probes(manifest.input, 3, seed=5)
    answers = answer_artifact(folder, manifest.tensors, items, ["probability", "heatmap"])

    logit = np.log(answers["probability"]) - np.log1p(-answers["probability"])
    assert answers["heatmap"].mean(axis=(1, 2)) == pytest.approx(logit.reshape(-1), abs=1e-4)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda state: state.pop("out_layer.weight"), r"missing: out_layer\.weight"),
        (lambda state: state.update({"head.bias": torch.ones(1)}), r"unexpected: head\.bias"),
        (lambda state: state.update({"pos_S": torch.ones(1, 2, 3)}), r"pos_S is \[1, 2, 3\] instead of"),
        (lambda state: state["pos_S"].fill_(float("nan")), "NaN or infinity in pos_S"),
        (lambda state: state.update({"pos_S": state["pos_S"].to(torch.int8)}), "pos_S is int8 instead of floating"),
        (lambda state: state.update({"pos_S": state["pos_S"].to(torch.complex64)}), r"pos_S in .* holds complex64"),
        (lambda state: state.update({"pos_S": state["pos_S"].to("meta")}), r"pos_S in .* has a shape and no numbers"),
    ],
)
def test_a_spoilt_checkpoint_names_its_key_and_writes_nothing(
    converter: Converter, spoil: object, message: str
) -> None:
    path = converter.checkpoint("aasist")
    state = {key.removeprefix("module."): value for key, value in torch.load(path)["state_dict"].items()}
    spoil(state)  # type: ignore[operator]
    torch.save(state, path)

    with pytest.raises(CheckpointError, match=message):
        converter.convert("aasist", path)
    assert not converter.repository.exists()


@pytest.mark.parametrize(("name", "other"), [("aasist", "lfcc-lcnn"), ("meso4", "mesoinception4"), ("meso4", "aasist")])
def test_a_checkpoint_of_another_architecture_is_refused(converter: Converter, name: str, other: str) -> None:
    with pytest.raises(CheckpointError, match=r"no checkpoint of|is a torch file"):
        converter.convert(name, converter.checkpoint(other))
    assert not converter.repository.exists()


def test_a_file_that_is_cut_off_writes_nothing(converter: Converter) -> None:
    path = converter.checkpoint("aasist")
    path.write_bytes(path.read_bytes()[:-2000])

    with pytest.raises(CheckpointError, match="damaged or cut off"):
        converter.convert("aasist", path)
    assert not converter.repository.exists()


def test_weights_that_overflow_are_no_probability(converter: Converter) -> None:
    """Finite weights whose products are not: what the graph answers is looked at, not only what is stored."""
    path = converter.checkpoint("aasist")
    state = {key.removeprefix("module."): value for key, value in torch.load(path)["state_dict"].items()}
    torch.save({**state, "out_layer.weight": torch.full_like(state["out_layer.weight"], 3e38)}, path)

    with pytest.raises(PackagingError, match=r"aasist with these weights answers probability = .*nan"):
        converter.convert("aasist", path)
    assert not converter.repository.exists()


def test_a_detector_that_answers_every_item_alike_is_not_published(converter: Converter) -> None:
    path = converter.checkpoint("aasist")
    state = {key.removeprefix("module."): value for key, value in torch.load(path)["state_dict"].items()}
    torch.save({**state, "out_layer.weight": torch.zeros_like(state["out_layer.weight"])}, path)

    with pytest.raises(PackagingError, match=r"aasist with these weights answers probability = 0\.\d+ to each of 8"):
        converter.convert("aasist", path)
    assert not converter.repository.exists()


def test_a_detector_that_is_sure_of_every_item_is_not_published(converter: Converter) -> None:
    """Nothing can be compared on such answers, though they may be all alike, or not."""
    path = converter.checkpoint("aasist")
    state = {key.removeprefix("module."): value for key, value in torch.load(path)["state_dict"].items()}
    torch.save({**state, "out_layer.weight": state["out_layer.weight"] * 1e30}, path)

    with pytest.raises(PackagingError, match="all within 1e-6 of 0 or 1"):
        converter.convert("aasist", path)
    assert not converter.repository.exists()


def test_a_checkpoint_whose_bytes_were_changed_is_refused(converter: Converter) -> None:
    """torch reads the records of the archive as they lie there, and compares no checksum."""
    path = converter.checkpoint("aasist")
    with zipfile.ZipFile(path) as archive:
        weights = max(archive.infolist(), key=lambda record: record.file_size)
    content = bytearray(path.read_bytes())
    content[weights.header_offset + 4096] ^= 128
    path.write_bytes(content)

    with pytest.raises(CheckpointError, match=f"{re.escape(weights.filename)} in it has another checksum"):
        converter.convert("aasist", path)
    assert not converter.repository.exists()


@pytest.mark.parametrize(
    ("version", "said"),
    [(2**63, "servers count to 9223372036854775807"), (1, "exists, and a version is never changed")],
)
def test_a_number_that_cannot_be_had_is_refused_before_any_work(
    specimens: Specimens, version: int, said: str, tmp_path: Path
) -> None:
    repository = specimens.small("lfcc-lcnn").copied(tmp_path / "models").parents[1]
    asked = Conversion(find_architecture("lfcc-lcnn"), tmp_path / "none.pth", repository, "lfcc-lcnn", version=version)
    with pytest.raises(PackagingError, match=said):
        converting.convert(asked)


def test_a_document_that_cannot_be_read_is_named(specimens: Specimens, tmp_path: Path) -> None:
    folder = specimens.small("lfcc-lcnn").copied(tmp_path / "models")
    (folder / "card.yaml").write_text("version: [1")
    assert main(["verify", str(folder), "--not-served"]) == 2
    with pytest.raises(PackagingError, match=r"card\.yaml cannot be read: while parsing"):
        read_document(VersionCard, folder / "card.yaml")
    (folder / "card.yaml").write_text("version: 0")
    with pytest.raises(PackagingError, match=r"card\.yaml cannot be read: .*version: Input should be greater than"):
        read_document(VersionCard, folder / "card.yaml")


def test_what_was_made_for_nothing_is_taken_away(
    converter: Converter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "new" / "models"
    monkeypatch.setattr(versions, "_write_card", lambda *_: pytest.fail("the disk is full"))
    asked = Conversion(
        find_architecture("lfcc-lcnn").at_reduced_width(), converter.checkpoint("lfcc-lcnn"), repository, "mine"
    )
    with pytest.raises(pytest.fail.Exception, match="the disk is full"):
        converting.convert(asked)
    assert not (tmp_path / "new").exists()


def test_a_logit_that_saturation_hides_is_found() -> None:
    sure = np.float32([0.9985, 0.998, 1.0])
    logit = np.log(sure[:2].astype(np.float64)) - np.log1p(-sure[:2].astype(np.float64))
    moved = np.append(1.0 / (1.0 + np.exp(-logit - 0.04)), 1.0).astype(np.float32)

    assert difference(moved, sure) < LIMIT
    found = Difference("onnxruntime", "torch", "golden", difference(moved, sure), logit=logit_difference(moved, sure))
    assert found.logit == pytest.approx(0.04, abs=1e-3)
    with pytest.raises(PackagingError, match=r"differ by 3\.99e-02 of a logit on golden"):
        require_parity(found)
    assert logit_difference(np.nextafter(sure, np.float32(0)), sure) == 0.0, "one step of float32 is no difference"


def test_golden_answers_that_are_all_0_or_1_are_refused(converter: Converter) -> None:
    source = load_source(
        find_architecture("lfcc-lcnn").at_reduced_width(), read_checkpoint(converter.checkpoint("lfcc-lcnn"))
    )
    with pytest.raises(PackagingError, match="all within 1e-6 of 0 or 1"):
        converting._require_difference(source, {"probability": np.float32([0.0, 1.0, 1.0 - 2**-23])})


@pytest.mark.parametrize("name", ["../evil", "Evil", "", "a/b", "-a", "a" * 64])
def test_a_name_that_leads_elsewhere_is_refused(
    converter: Converter, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = converter.checkpoint("aasist")

    asked = ["convert", "aasist", "--checkpoint", str(path), "--to", str(converter.repository), f"--name={name}"]
    assert main(asked) == 2
    assert f"A detector cannot be called {name!r}" in capsys.readouterr().err
    assert [entry.name for entry in converter.folder.iterdir()] == [path.name]


def test_a_graph_that_answers_otherwise_is_not_published(converter: Converter, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = converter.checkpoint("lfcc-lcnn")
    answered = converting.answer_artifact
    monkeypatch.setattr(
        converting,
        "answer_artifact",
        lambda *given: {name: value + np.float32(2 * LIMIT) for name, value in answered(*given).items()},
    )

    with pytest.raises(PackagingError, match=r"onnxruntime and torch .* differ by 2\.00e-04 on golden inputs"):
        converter.convert("lfcc-lcnn", checkpoint)
    assert not converter.repository.exists()


def test_a_server_that_cannot_serve_it_is_refused(converter: Converter) -> None:
    with pytest.raises(ExportError, match="tfserving cannot serve"):
        converter.convert("aasist", converter.checkpoint("aasist"), "tfserving")
    assert not converter.repository.exists()


def test_probes_are_the_same_for_the_same_seed() -> None:
    for name in ("aasist", "lfcc-lcnn", "meso4"):
        spec = find_architecture(name).at_reduced_width().input
        one, other = (probes(spec, 4, seed=3) for _ in range(2))
        assert np.array_equal(one, other)
        assert not np.array_equal(one, probes(spec, 4, seed=4))
        assert np.isfinite(one.astype(np.float64)).all()


def test_a_version_that_nobody_measured_does_not_vote(specimens: Specimens) -> None:
    card = VersionCard.from_yaml(specimens.small("aasist").folder / "card.yaml")

    assert card.calibration == Calibration.none()
    assert not any(card.measured_on(medium) for medium in ("speech", "image", "video"))
    assert card.limits[0].startswith("Never measured")


def test_measuring_needs_preprocessing(converter: Converter, tmp_path: Path) -> None:
    checkpoint = converter.checkpoint("aasist")
    asked = converting.Conversion(
        find_architecture("aasist").at_reduced_width(), checkpoint, converter.repository, "aasist"
    )
    with pytest.raises(ExportError, match="as serving sees them"):
        converting.convert(replace(asked, measure_on=tmp_path))
    assert not converter.repository.exists()
