"""TensorBundle: what is put in comes out, and what is not a bundle is refused by name."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save
from telltale_contracts import (
    AudioFacts,
    BundleMetadata,
    FaceCrop,
    FaceObservation,
    LogSpectrogram,
    MalformedBundle,
    MediaFacts,
    Missing,
    SampledFrame,
    Segment,
    TensorBundle,
    Track,
)

FACE = FaceCrop(size=16).key()
SOUND = LogSpectrogram(samples=16_000).key()


def _index(*values: int) -> NDArray[np.int32]:
    return np.array(values, dtype=np.int32)


@pytest.fixture
def bundle() -> TensorBundle:
    observation = FaceObservation(
        frame=1,
        box=(10.5, 20.0, 30.0, 40.25),
        score=0.9,
        landmarks=((1.0, 2.0), (3.0, 4.0)),
        eye_distance=15.0,
        sharpness=120.0,
        usable=True,
    )
    metadata = BundleMetadata(
        media=MediaFacts(kind="video", container="mov,mp4", width=640, height=480, src_fps=29.97),
        frames=(SampledFrame(index=0, t=0.0), SampledFrame(index=15, t=0.5005)),
        used_step=15,
        tracks=(Track(track=0, observations=(observation,), quality=0.8),),
        audio=AudioFacts(duration_s=2.0, speech_s=1.5, rms=0.1, silence_ratio=0.25),
        segments={SOUND: (Segment(start=0.0, end=1.0, speech=1.0),)},
        missing=(Missing(key="image-000000000000", reason="no_picture", detail="the file has sound only"),),
        timings_ms={"decode": 12.5},
    )
    pixels = np.arange(2 * 16 * 16 * 3, dtype=np.uint64).astype(np.uint8).reshape(2, 16, 16, 3)
    sound = np.linspace(-23.0, 4.0, 257 * 97, dtype=np.float32).reshape(1, 257, 97)
    return TensorBundle(
        metadata=metadata,
        tensors={FACE: pixels, SOUND: sound},
        frame={FACE: _index(0, 1), SOUND: _index(0)},
        track={FACE: _index(0, 0), SOUND: _index(-1)},
    )


def test_a_bundle_survives_its_bytes(bundle: TensorBundle) -> None:
    read = TensorBundle.from_bytes(bundle.to_bytes())
    assert read.metadata == bundle.metadata
    assert read.tensors.keys() == bundle.tensors.keys()
    for key, tensor in bundle.tensors.items():
        assert read.tensors[key].dtype == tensor.dtype
        np.testing.assert_array_equal(read.tensors[key], tensor)
        np.testing.assert_array_equal(read.frame[key], bundle.frame[key])
        np.testing.assert_array_equal(read.track[key], bundle.track[key])


def test_a_view_that_is_not_contiguous_is_written_as_it_looks(bundle: TensorBundle) -> None:
    flipped = bundle.tensors[FACE][:, :, ::-1]
    view = TensorBundle(bundle.metadata, {FACE: flipped}, {FACE: _index(0, 1)}, {FACE: _index(0, 0)})
    np.testing.assert_array_equal(TensorBundle.from_bytes(view.to_bytes()).tensors[FACE], flipped)


def test_a_bundle_without_tensors_still_says_why() -> None:
    missing = Missing(key=FACE, reason="no_face", detail="no face in 32 frames")
    empty = TensorBundle(BundleMetadata(media=MediaFacts(kind="image", container="png"), missing=(missing,)))
    read = TensorBundle.from_bytes(empty.to_bytes())
    assert read.metadata.missing == (missing,)
    assert read.tensors == {}


def test_bytes_that_are_no_bundle_are_refused(bundle: TensorBundle) -> None:
    body = bundle.to_bytes()
    header = json.loads(body[8 : 8 + struct.unpack_from("<Q", body)[0]])
    header["__metadata__"]["telltale"] = '{"media": {"kind": "hologram", "container": "x"}}'
    text = json.dumps(header).encode()
    bad = {
        "empty": b"",
        "not safetensors": b"12345678" * 3,
        "header longer than the body": struct.pack("<Q", 1 << 40) + body[8:],
        "cut off in the header": body[:40],
        "cut off in the tensors": body[:-7],
        "without metadata": save({"x": np.zeros(3, np.float32)}),
        "another metadata": save({"x": np.zeros(3, np.float32)}, metadata={"format": "pt"}),
        "an unknown kind of media": struct.pack("<Q", len(text)) + text + body[8 + struct.unpack_from("<Q", body)[0] :],
    }
    for what, wrong in bad.items():
        with pytest.raises(MalformedBundle):
            pytest.fail(f"{what} was read as {TensorBundle.from_bytes(wrong)}")


def test_a_tensor_without_its_index_is_refused(bundle: TensorBundle) -> None:
    metadata = {"telltale": bundle.metadata.model_dump_json()}
    with pytest.raises(MalformedBundle, match="without its index"):
        TensorBundle.from_bytes(save({FACE: bundle.tensors[FACE], f"{FACE}.frame": _index(0, 1)}, metadata=metadata))


@pytest.mark.parametrize("wrong", [_index(0), _index(0, 1, 2), np.array([0, 1], np.int64), np.zeros((2, 1), np.int32)])
def test_an_index_that_does_not_fit_its_tensor_is_refused(bundle: TensorBundle, wrong: NDArray[np.int32]) -> None:
    with pytest.raises(MalformedBundle, match="frame index does not fit"):
        TensorBundle(bundle.metadata, {FACE: bundle.tensors[FACE]}, {FACE: wrong}, {FACE: _index(0, 0)})
    with pytest.raises(MalformedBundle, match="track index does not fit"):
        TensorBundle(bundle.metadata, {FACE: bundle.tensors[FACE]}, {FACE: _index(0, 0)}, {FACE: wrong})
