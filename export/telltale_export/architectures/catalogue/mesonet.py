"""MesoNet (Afchar 2018): two small networks for faces, published as Keras weights."""

from __future__ import annotations

from telltale_contracts import FaceCrop

from telltale_export.architectures.architecture import Architecture, Reduced

_PAPER = "Afchar, Nozick, Yamagishi and Echizen 2018, MesoNet: a Compact Facial Video Forgery Detection Network"
_CONVENTION = "The source's sigmoid is P(real); P(fake) is one minus it."
_FACE = FaceCrop(size=256, margin=1.3)
_SMALL = FaceCrop(size=64, margin=1.3)

ARCHITECTURES = (
    Architecture(
        name="meso4",
        framework="keras",
        forgery="face_swap",
        input=_FACE,
        paper=_PAPER,
        convention=_CONVENTION,
        layout="Keras .h5 weights: conv2d_* and batch_normalization_* four times, dense_* twice, numbered as made",
        module="mesonet",
        options={"variant": "meso4"},
        reduced=Reduced({"hidden": 4}, _SMALL),
    ),
    Architecture(
        name="mesoinception4",
        framework="keras",
        forgery="face_swap",
        input=_FACE,
        paper=_PAPER,
        convention=_CONVENTION,
        layout="Keras .h5 weights: conv2d_* seven for each of two inception blocks and two more, "
        "batch_normalization_* four times, dense_* twice, numbered as made",
        module="mesonet",
        options={"variant": "mesoinception4"},
        reduced=Reduced({"hidden": 4}, _SMALL),
    ),
)
