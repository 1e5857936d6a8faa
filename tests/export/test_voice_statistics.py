"""What the network of voice-vocoder computes from a waveform, against numpy."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from telltale_contracts import LogSpectrogram
from telltale_export.voice.bank import narrow
from telltale_export.voice.golden import formant_speech, golden_inputs
from telltale_export.voice.network import VoiceNetwork
from telltale_export.voice.sounds import SAMPLE_RATE
from telltale_export.voice.spectrum import BANDS, LogSpectrum, scaled
from telltale_export.voice.structure import FineStructure
from telltale_export.voice.voicing import BAND_PAIRS, BandCovariation, HarmonicStructure, PulseEnvelope


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    # Two cores that others use too: threads that wait for each other take ten times as long as one.
    torch.set_num_threads(1)


def test_statistics_are_those_that_are_described() -> None:
    spectrum = LogSpectrum()(torch.from_numpy(formant_speech(16_000, seed=5))[None])
    given = FineStructure()(spectrum).double().numpy()[0].reshape(-1, BANDS)
    assert given.shape == (17, BANDS)

    edges = np.linspace(2, 256, BANDS + 1).round().astype(int)
    s = spectrum.double().numpy()[0, 0]
    for band, (low, high) in enumerate(pairwise(edges)):
        power = np.mean(s[low:high] ** 2)
        assert given[0, band] == pytest.approx(np.mean(s[low:high] ** 3) / power**1.5, rel=1e-3, abs=1e-3)
        later = np.mean(s[low:high, 3:] * s[low:high, :-3])
        assert given[4, band] == pytest.approx(later / power, rel=1e-3, abs=1e-3)
        step = np.diff(s[low:high], axis=1)
        assert given[12, band] == pytest.approx(np.log(np.mean(step**2)), rel=1e-3, abs=1e-3)
        higher = min(high, 255)
        pairs = np.sum(np.mean(s[low:higher] * s[low + 2 : higher + 2], axis=1)) / (high - low)
        assert given[8, band] == pytest.approx(pairs / power, rel=1e-3, abs=1e-3)


def test_the_spectrogram_in_the_graph_is_the_documented_one() -> None:
    pcm = formant_speech(16_000, seed=5)
    spec = LogSpectrogram(samples=16_000, rms_normalise=True)
    scaled = pcm.astype(np.float64) * 0.1 / np.sqrt(np.mean(pcm.astype(np.float64) ** 2))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(spec.win_length) / spec.win_length)
    starts = range(0, len(pcm) - spec.win_length + 1, spec.hop_length)
    power = [np.abs(np.fft.rfft(scaled[s : s + spec.win_length] * window, spec.n_fft)) ** 2 for s in starts]
    wanted = np.log(np.stack(power, axis=1) + 1e-10)
    wanted = (wanted - wanted.mean(axis=1, keepdims=True)) * 0.25

    given = LogSpectrum()(torch.from_numpy(pcm)[None]).numpy()[0, 0]
    assert given.shape == (257, len(starts))
    assert np.abs(given - wanted).max() < 0.02
    assert np.abs(given - wanted).mean() < 1e-4


def test_phases_of_a_pulse_agree_and_those_of_noise_do_not() -> None:
    network = VoiceNetwork()
    pulses = np.zeros(64_000, np.float32)
    pulses[200::1600] = 0.5
    noise = np.random.default_rng(0).normal(0, 0.1, 64_000).astype(np.float32)
    with torch.inference_mode():
        real, imaginary = network.spectrum.transform(torch.from_numpy(np.stack([pulses, noise, np.roll(noise, 1600)])))
        found = network.coherence(real, imaginary).numpy().reshape(3, 6, BANDS)
    # By weight: most frames of the pulses hold nothing.
    assert found[0, 0].min() > 0.99
    assert found[0, 3].min() > 0.99
    assert found[1, 0].max() < 0.9
    assert found[2] == pytest.approx(found[1], abs=0.01)

    # One band of one frame, as numpy's complex numbers have it.
    spectrum = (real[1, :, 7].double() + 1j * imaginary[1, :, 7].double()).numpy()
    one = network.coherence(real[1:2, :, 7:8], imaginary[1:2, :, 7:8]).numpy().reshape(6, BANDS)
    low, high = np.linspace(2, 256, BANDS + 1).round().astype(int)[3:5]
    pairs = spectrum[low + 2 : high + 2] * np.conj(spectrum[low:high])
    wanted = np.abs((pairs / np.sqrt(np.abs(pairs))).sum()) / np.sqrt(np.abs(pairs)).sum()
    assert one[0, 3] == pytest.approx(wanted, abs=1e-3)
    assert one[2, 3] == pytest.approx(0.0, abs=1e-3)


def buzz_and_noise(hz: int) -> torch.Tensor:
    """Pulses of that rate, and noise: scaled, [2, 64000]."""
    pulses = np.zeros(64_000, np.float32)
    pulses[:: SAMPLE_RATE // hz] = 0.5
    noise = np.random.default_rng(0).normal(0, 0.1, 64_000).astype(np.float32)
    return scaled(torch.from_numpy(np.stack([pulses, noise])))


def test_a_buzz_repeats_itself_at_the_distance_of_its_harmonics_and_noise_does_not() -> None:
    # The pitch glides: harmonics that stay where they are would be taken off with the mean over time.
    turns = np.cumsum(np.linspace(120, 180, 64_000) / SAMPLE_RATE)
    pulses = (np.diff(np.floor(turns), prepend=0.0) > 0).astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 0.1, 64_000).astype(np.float32)
    heard = scaled(torch.from_numpy(np.stack([pulses, noise])))
    found = HarmonicStructure()(heard).numpy().reshape(2, 9, BANDS)
    assert (found[0, 0] > found[1, 0] + 0.1).all()


def test_harmonic_statistics_are_those_that_are_documented() -> None:
    pcm = formant_speech(64_000, seed=5)
    heard = scaled(torch.from_numpy(pcm)[None])
    found = HarmonicStructure()(heard).double().numpy()[0].reshape(9, BANDS)
    window, even = np.hanning(1025)[:-1], heard[0].double().numpy()
    power = np.stack([np.abs(np.fft.rfft(even[at : at + 1024] * window)) ** 2 for at in range(0, 64_000 - 1023, 256)])
    spectrum = 0.25 * (np.log(power + 1e-9) - np.log(power + 1e-9).mean(axis=0))
    around = np.convolve(np.ones(513), np.ones(31), "same")
    fine = np.stack([row - np.convolve(row, np.ones(31), "same") / around for row in spectrum])
    edges = np.linspace(4, 512, BANDS + 1).round().astype(int)
    for band, (low, high) in enumerate(pairwise(edges)):
        here, variance = fine[:, low:high], np.mean(fine[:, low:high] ** 2, axis=1) + 1e-4
        # The lowest band has no bins so far below it; what is missing counts as nothing.
        below = [
            np.where(np.arange(low, high) >= lag, fine[:, np.arange(low, high) - lag], 0.0) for lag in range(5, 26)
        ]
        lower = np.stack([np.mean(here * each, axis=1) / variance for each in below])
        most, least = lower.max(axis=0), lower.min(axis=0)
        weight = np.sqrt(power[:, low:high].mean(axis=1))
        weight /= weight.sum()
        squares = np.mean(here**2) + 1e-4
        wanted = [
            most.mean(),
            most.std(),
            weight @ most,
            least.mean(),
            weight @ least,
            np.log(variance).mean(),
            np.log(weight @ variance),
            np.mean(here**3) / squares**1.5,
            np.log(np.mean(here**4) / squares**2),
        ]
        assert found[:, band] == pytest.approx(wanted, abs=5e-3, rel=5e-3)


def test_envelopes_of_a_buzz_return_with_its_pulses_and_those_of_noise_do_not() -> None:
    found = PulseEnvelope()(buzz_and_noise(250)).numpy().reshape(2, 13, BANDS)
    # Every 4 ms: 96 of 100 places of a block stand against themselves.
    assert found[0, 0] == pytest.approx(np.full(BANDS, 1.0), abs=0.06)
    assert found[0, 12] == pytest.approx(found[0, 0], abs=0.06)
    assert found[0, 10].max() < 0.0
    assert found[1, 0].max() < 0.5


def test_envelope_statistics_are_those_that_are_documented() -> None:
    heard = scaled(torch.from_numpy(formant_speech(64_000, seed=5))[None])
    found = PulseEnvelope()(heard).double().numpy()[0].reshape(13, BANDS)
    window, even = np.hanning(65)[:-1], heard[0].double().numpy()
    power = np.stack([np.abs(np.fft.rfft(even[at : at + 64] * window)) ** 2 for at in range(0, 64_000 - 63, 16)])
    edges = np.linspace(1, 32, BANDS + 1).round().astype(int)
    for band, (low, high) in enumerate(pairwise(edges)):
        level = power[:, low:high].mean(axis=1)
        log, around = np.log(level + 1e-9), np.convolve(np.ones(len(level)), np.ones(31), "same")
        envelope = 0.5 * (log - np.convolve(log, np.ones(31), "same") / around)
        blocks = envelope[: len(envelope) // 100 * 100].reshape(-1, 100)
        variance = np.mean(blocks**2, axis=1) + 1e-4
        later = np.stack([np.mean(blocks[:, n:] * blocks[:, :-n], axis=1) / variance for n in range(2, 15)])
        most, least = later.max(axis=0), later.min(axis=0)
        weight = np.sqrt(level[: blocks.size].reshape(-1, 100).mean(axis=1))
        weight /= weight.sum()
        squares = np.mean(blocks**2) + 1e-4
        wanted = [
            *(most.mean(), most.std(), weight @ most, least.mean(), weight @ least),
            *(np.log(variance).mean(), weight @ np.log(variance), np.log(variance).std()),
            *(np.mean(blocks**3) / squares**1.5, np.log(np.mean(blocks**4) / squares**2)),
            *later[:3].mean(axis=1),
        ]
        assert found[:, band] == pytest.approx(wanted, abs=5e-3, rel=5e-3)


def test_bands_vary_together_as_numpy_correlates_them() -> None:
    real, imaginary = LogSpectrum().transform(torch.from_numpy(formant_speech(64_000, seed=5))[None])
    power = real.square() + imaginary.square()
    found = BandCovariation()(power).numpy()[0]
    assert found.shape == (2 * len(BAND_PAIRS),)
    edges = np.linspace(2, 256, BANDS + 1).round().astype(int)
    level = np.log(np.stack([power[0, low:high].double().mean(dim=0).numpy() for low, high in pairwise(edges)]) + 1e-9)
    for values, rows in ((level, found[: len(BAND_PAIRS)]), (np.diff(level), found[len(BAND_PAIRS) :])):
        together = np.corrcoef(values)
        assert rows == pytest.approx(np.array([together[pair] for pair in BAND_PAIRS]), abs=0.01)


def random_network() -> VoiceNetwork:
    """Weighs every statistic somehow."""
    network = VoiceNetwork().eval()
    network.weight.copy_(torch.randn(len(network.weight), generator=torch.Generator().manual_seed(0)) / 10)
    return network


def test_loudness_and_a_fixed_equaliser_do_not_change_the_answer() -> None:
    network = random_network()
    pcm = formant_speech(32_000, seed=6)
    with torch.inference_mode():
        loud, quiet = (float(network(torch.from_numpy(pcm * gain)[None])) for gain in (1.0, 0.05))
    assert quiet == pytest.approx(loud, abs=1e-3)


def test_what_lies_above_a_telephone_s_band_tells_nothing() -> None:
    network = random_network()
    spoken = narrow(formant_speech(64_000, seed=6))
    noise = np.random.default_rng(0).normal(0, 2e-4, 64_000).astype(np.float32)
    # As much above 4 kHz as the rounding of samples leaves there.
    rustled = spoken + noise - narrow(noise)
    with torch.inference_mode():
        described = network.describe(torch.from_numpy(np.stack([spoken, rustled])))
        answers = network.logits_of(described)[:, 0].tolist()
    there = described[:, -BANDS:].numpy()
    assert there[:, :7] == pytest.approx(1.0)
    assert there[:, -6:] == pytest.approx(0.0)
    # The windows of 4 ms see 500 Hz around: the last band that is there hears a little of it.
    assert answers[1] == pytest.approx(answers[0], abs=0.05)
    statistics = described[:, : 45 * BANDS].numpy().reshape(2, -1, BANDS)
    assert np.abs(statistics[1] - statistics[0])[:, -6:].max() > 0.5


def test_the_network_looks_at_each_item_alone_and_survives_silence() -> None:
    network = random_network()
    inputs = torch.from_numpy(np.concatenate([golden_inputs(), np.zeros((1, 64_000), np.float32)]))
    with torch.inference_mode():
        together = network(inputs)
        alone = torch.cat([network(row[None]) for row in inputs])
    assert torch.isfinite(together).all()
    assert torch.allclose(together, alone, atol=1e-4)
