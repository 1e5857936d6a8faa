"""Wavelet scattering of mel spectrograms of speech."""

from __future__ import annotations

from telltale_contracts import Waveform

from telltale_export.architectures.architecture import Architecture, Reduced

ARCHITECTURES = (
    Architecture(
        name="scattering-wave",
        framework="torch",
        forgery="voice",
        input=Waveform(sample_rate=16_000, samples=32_000, pad="zero"),
        paper="Bruna and Mallat 2013, Invariant Scattering Convolution Networks (the transform, by kymatio)",
        convention="The source's sigmoid is P(real); P(fake) is one minus it.",
        layout="scattering.tensor* (kymatio's filters) and classifier.1 to .13, over flattened or mean coefficients",
        module="scattering",
        reduced=Reduced(
            {"size": 32, "scales": 2, "angles": 4, "n_fft": 256, "hop": 64, "width": 32},
            Waveform(sample_rate=16_000, samples=2_000, pad="zero"),
        ),
        max_batch=4,
    ),
)
