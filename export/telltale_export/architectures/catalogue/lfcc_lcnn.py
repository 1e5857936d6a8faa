"""LFCC-LCNN, the baseline of ASVspoof 2021: a light CNN on cepstra, then two bidirectional LSTMs."""

from __future__ import annotations

from telltale_contracts import Lfcc

from telltale_export.architectures.architecture import Architecture, Reduced

_CEPSTRA = Lfcc(
    sample_rate=16_000,
    samples=64_000,
    n_fft=512,
    win_length=320,
    hop_length=160,
    window="hamming",
    pre_emphasis=0.97,
    centred=True,
    floor=2**-23,
    n_filters=20,
    n_lfcc=20,
    deltas=True,
    energy=True,
)

ARCHITECTURES = (
    Architecture(
        name="lfcc-lcnn",
        framework="torch",
        forgery="voice",
        input=_CEPSTRA,
        paper="Wang and Yamagishi 2021, A Comparative Study on Recent Neural Spoofing Countermeasures for Synthetic "
        "Speech Detection; the LFCC-LCNN baseline of ASVspoof 2021",
        convention="The source's logit is of bona fide speech; P(fake) is the sigmoid of its negative.",
        layout="m_transform.0.* (convolutions and batch norms without weights), m_before_pooling.0.{0,1}.l_blstm.*, "
        "m_output_act.0.*; m_frontend.* and input_mean ... output_std, which hold no weights of it, are passed over",
        module="lfcc_lcnn",
        limits=(
            "The challenge's own checkpoints were trained on filters from 0 to 4 kHz over 1024 points, not on these.",
        ),
        reduced=Reduced({"width": 8}, _CEPSTRA.model_copy(update={"samples": 16_000})),
    ),
)
