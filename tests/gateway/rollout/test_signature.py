from __future__ import annotations

import pytest
from telltale_contracts import DetectorManifest, FaceCrop, TensorNames
from telltale_gateway.rollout.signature import WrongSignature, check_signature
from telltale_gateway.serving import Signature

MANIFEST = DetectorManifest(
    name="toy",
    description="for tests",
    forgery="face_swap",
    server="triton",
    input=FaceCrop(size=64),
    tensors=TensorNames(input="image", probability="p"),
    max_batch=8,
)
IMAGE = {"image": ("uint8", (-1, 64, 64, 3))}
P = {"p": ("float32", (-1, 1))}


@pytest.mark.parametrize(
    "signature",
    [
        Signature(IMAGE, P, 8),
        Signature(IMAGE, {"p": ("float32", (-1,))}, None),
        Signature({"image": ("uint8", (-1, -1, -1, 3))}, P, 32),
    ],
)
def test_what_fits_the_manifest_is_let_in(signature: Signature) -> None:
    check_signature(signature, MANIFEST)


@pytest.mark.parametrize(
    ("signature", "says"),
    [
        (Signature({"pixels": IMAGE["image"]}, P), "no input named image; it has: pixels"),
        (Signature({"image": ("float32", (-1, 64, 64, 3))}, P), "of float32, where detector.yaml asks for uint8"),
        (Signature({"image": ("uint8", (-1, 32, 32, 3))}, P), "the shape .32, 32, 3., where"),
        (Signature({"image": ("uint8", (1, 64, 64, 3))}, P), "not any number"),
        (Signature(IMAGE, P, 4), "4 items at once, detector.yaml says 8"),
        (Signature({**IMAGE, "mask": IMAGE["image"]}, P), "asks for mask beside image"),
        (Signature(IMAGE, {"logit": P["p"]}), "no output named p"),
        (Signature(IMAGE, {"p": ("int64", (-1, 1))}), "not of floating point"),
        (Signature(IMAGE, {"p": ("float32", (-1, 2))}), "not one number"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_difference(signature: Signature, says: str) -> None:
    with pytest.raises(WrongSignature, match=says):
        check_signature(signature, MANIFEST)
