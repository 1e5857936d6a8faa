"""From labelled sounds to a version on disk, on sounds made of arithmetic."""

from __future__ import annotations

import wave
from itertools import pairwise
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from telltale_contracts import LogSpectrogram, VersionCard
from telltale_export.__main__ import main
from telltale_export.data import MediaItem, read_dataset
from telltale_export.errors import DataError
from telltale_export.voice.bank import UNTOUCHED, TreatedSound, fill_bank, narrow, treated_sounds
from telltale_export.voice.codecs import CODECS, through_codec, to_int16
from telltale_export.voice.crossfit import ScoredSound, source_folds
from telltale_export.voice.degrade import draw_channel, through_channel
from telltale_export.voice.discriminant import DescribedSound, TrainingPlan, describe, fit_network
from telltale_export.voice.golden import formant_speech, golden_inputs
from telltale_export.voice.measuring import calibrate
from telltale_export.voice.network import STATISTICS, VoiceNetwork
from telltale_export.voice.recipe import VoiceRun, train_version
from telltale_export.voice.sounds import SAMPLE_RATE, read_sound, repeat_to, segments
from telltale_export.voice.spectrum import BANDS, LogSpectrum, scaled
from telltale_export.voice.structure import FineStructure
from telltale_export.voice.voicing import BAND_PAIRS, BandCovariation, HarmonicStructure, PulseEnvelope

SECONDS = 1


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    # Two cores that others use too: threads that wait for each other take ten times as long as one.
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three sources of four groups: voiced is genuine, whispered is forged; and two sources of one class each."""
    folder = tmp_path_factory.mktemp("media")
    lines = ["path,modality,label,family,source,group,licence"]
    for source in range(3):
        for group in range(4):
            for label, family in (("real", "bonafide"), ("fake", "whisper")):
                lines.append(_sound(folder, f"demo{source}", group, label, family))
    lines += [_sound(folder, "readers", group, "real", "bonafide") for group in range(3)]
    lines += [_sound(folder, "machine", group, "fake", "whisper") for group in range(3)]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def _sound(folder: Path, source: str, group: int, label: str, family: str) -> str:
    name = f"{source}-{group}-{label}.wav"
    with wave.open(str(folder / name), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SAMPLE_RATE)
        pcm = formant_speech(SECONDS * SAMPLE_RATE, seed=group, voiced=label == "real")
        samples = to_int16(pcm)
        samples[0] = crc32(source.encode()) % 16  # a content of its own
        sound.writeframes(samples.tobytes())
    return f"{name},audio,{label},{family},{source},{source}-{group},none"


@pytest.fixture(scope="module")
def trained(media: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A version, and what was said meanwhile."""
    said: list[str] = []
    run = VoiceRun(media, tmp_path_factory.mktemp("models"), TrainingPlan(rounds=1))
    return train_version(run, said.append), said


@pytest.fixture(scope="module")
def described(media: Path) -> tuple[list[MediaItem], list[DescribedSound]]:
    """The items, and the statistics of each untouched and treated once."""
    items = read_dataset(media).of("audio")
    return items, list(describe(treated_sounds(fill_bank(items), 1, seed=3)))


def test_the_discriminant_tells_whispers_of_a_source_that_it_has_not_seen(
    described: tuple[list[MediaItem], list[DescribedSound]],
) -> None:
    items, sounds = described
    unseen = [index for index, item in enumerate(items) if item.source != "demo0"]
    network = fit_network(items, sounds, unseen, TrainingPlan())
    scores = {True: [], False: []}  # type: dict[bool, list[float]]
    for each in sounds:
        item = items[each.sound.item]
        if item.source == "demo0":
            logits = network.logits_of(torch.from_numpy(each.rows).float())
            scores[item.fake].append(float(logits.mean()))
    assert min(scores[True]) > max(scores[False])


def test_the_discriminant_is_that_of_scikit_learn_where_the_two_are_the_same() -> None:
    # One cell, no lone sources, no penalty: Fisher's direction of two classes with one scatter.
    random = np.random.default_rng(0)
    rows = {False: random.normal(size=(2000, STATISTICS)), True: random.normal(size=(2000, STATISTICS))}
    rows[True] += np.linspace(0, 1, STATISTICS)
    items = [MediaItem(Path(f"{fake}"), "audio", "fake" if fake else "real", "f", "s", "g", "n") for fake in rows]
    silent = np.zeros((1, 64_000), np.int16)
    every_band = np.ones((2000, BANDS))
    sounds = [
        DescribedSound(TreatedSound(index, UNTOUCHED, silent), np.hstack([each, every_band]))
        for index, each in enumerate(rows.values())
    ]
    network = fit_network(items, sounds, [0, 1], TrainingPlan(genuine=1.0, ridge=0.0))

    both = np.concatenate(list(rows.values()))
    standard = np.clip((both - both.mean(axis=0)) / both.std(axis=0), -4, 4)
    theirs = LinearDiscriminantAnalysis(solver="lsqr").fit(standard, np.repeat([0, 1], 2000)).coef_[0]
    ours = network.weight.double().numpy()
    assert np.corrcoef(ours, theirs)[0, 1] > 0.9999
    with torch.inference_mode():
        logits = network.logits_of(torch.from_numpy(np.hstack([both, np.ones((4000, BANDS))])).float()).numpy()[:, 0]
    assert logits[2000:].mean() - logits[:2000].mean() == pytest.approx(4.0, abs=1e-3)
    assert logits.mean() == pytest.approx(0.0, abs=1e-3)


def test_sentences_without_a_genuine_recording_cannot_be_learned_from(
    described: tuple[list[MediaItem], list[DescribedSound]],
) -> None:
    items, sounds = described
    with pytest.raises(DataError, match="both genuine and forged"):
        fit_network(items, sounds, [i for i, item in enumerate(items) if item.source == "machine"], TrainingPlan())


def test_a_source_of_genuine_sounds_is_no_difference_but_scatter(
    described: tuple[list[MediaItem], list[DescribedSound]],
) -> None:
    items, sounds = described
    both = [index for index, item in enumerate(items) if item.source.startswith("demo")]
    forged = [index for index, item in enumerate(items) if item.source == "machine"]
    genuine = [index for index, item in enumerate(items) if item.source == "readers"]
    alone, again, scattered = (
        fit_network(items, sounds, chosen, TrainingPlan(rounds=1)) for chosen in (both, both, both + genuine)
    )
    assert torch.equal(alone.weight, again.weight)
    assert not torch.allclose(alone.weight, scattered.weight)
    with pytest.raises(DataError, match="both genuine and forged"):
        fit_network(items, sounds, forged + genuine, TrainingPlan())


def test_forgeries_of_a_source_without_genuine_sounds_count_as_much_as_they_are_let() -> None:
    # Paired forgeries differ in the first statistic; those of the other source in the second, and not in the first.
    random = np.random.default_rng(0)
    moved = {"pair-real": (0.0, 0.0), "pair-fake": (3.0, 0.0), "other-real": (0.0, 0.0), "lone-fake": (0.0, 3.0)}
    items, sounds = [], []
    for index, (name, by) in enumerate(moved.items()):
        source, label = name.split("-")
        items.append(MediaItem(Path(name), "audio", label, "family", source, f"group {source}", "none"))  # type: ignore[arg-type]
        rows = np.hstack([random.normal(size=(300, STATISTICS)), np.ones((300, BANDS))])
        rows[:, :2] += by
        sounds.append(DescribedSound(TreatedSound(index, UNTOUCHED, np.zeros((1, 64_000), np.int16)), rows))
    ignored, heard, loud = (
        fit_network(items, sounds, range(4), TrainingPlan(lone=lone)).weight for lone in (0.0, 0.2, 1.0)
    )
    share = [float(weight[1] / weight[0]) for weight in (ignored, heard, loud)]
    assert abs(share[0]) < 0.1
    assert share[0] + 0.05 < share[1] < share[2] - 0.05


def test_lone_forgeries_stand_against_genuine_sounds_of_all_sources_under_their_own_treatment() -> None:
    """Statistic 0 tells paired forgeries; in 1, 2 and 3 nothing must be learned from what is only a channel."""
    random = np.random.default_rng(0)

    def sound(index: int, treatment: str, count: int, moved: dict[int, float]) -> DescribedSound:
        rows = np.hstack([random.normal(size=(count, STATISTICS)), np.ones((count, BANDS))])
        for place, by in moved.items():
            rows[:, place] += by
        return DescribedSound(TreatedSound(index, treatment, np.zeros((1, 64_000), np.int16)), rows)

    names = ("pair-real", "pair-fake", "many-real", "lone-fake")
    items = [
        MediaItem(Path(name), "audio", name.split("-")[1], "family", name.split("-")[0], f"group {name[:4]}", "none")  # type: ignore[arg-type]
        for name in names
    ]
    sounds = [
        # 1: sources with many sounds count as much as others, so the middle of the genuine ones is 1.
        # 2: what a treatment does is the same for both classes.
        # 3: the channel of a source that has genuine sounds is no difference of its forgeries.
        *(sound(0, t, 200, {3: 2.0, 2: by}) for t, by in (("room", 2.0), (UNTOUCHED, 0.0))),
        *(sound(1, t, 200, {0: 3.0, 3: 2.0, 2: by}) for t, by in (("room", 2.0), (UNTOUCHED, 0.0))),
        *(sound(2, t, 2000, {1: 2.0, 2: by}) for t, by in (("room", 2.0), (UNTOUCHED, 0.0))),
        sound(3, "room", 400, {0: 3.0, 1: 1.0, 2: 2.0, 3: 1.0}),
    ]
    weight = fit_network(items, sounds, range(4), TrainingPlan(lone=1.0, genuine=0.1)).weight
    for place in (1, 2, 3):
        assert abs(float(weight[place] / weight[0])) < 0.08


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


def test_training_publishes_a_version_that_passes_the_check(
    trained: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, said = trained
    assert folder.parts[-2:] == ("voice-vocoder", "1")
    assert main(["check", str(folder.parents[1])]) == 0
    assert "voice-vocoder:1" in capsys.readouterr().out
    assert any("without demo0" in line for line in said)


def test_the_card_says_how_it_was_measured(trained: tuple[Path, list[str]], media: Path) -> None:
    card = VersionCard.from_yaml(trained[0] / "card.yaml")

    assert card.measured_on("speech")
    assert not card.measured_on("video")
    assert card.calibration.prior == pytest.approx(0.5)
    assert {m.family for m in card.measured} == {"all", "whisper"}
    of_itself, of_others = (
        [m.split.split(";")[0] for m in rows if m.family == "all"] for rows in (card.measured, card.trained_alike)
    )
    assert of_itself == [
        *["test groups of sources that were trained on"] * 3,
        *["test groups of sources with both classes"] * 2,
    ]
    assert of_others == [
        "leave-one-source-out, all folds",
        "leave-one-source-out, demo0",
        "leave-one-source-out, demo1",
        "leave-one-source-out, demo2",
        "leave-one-source-out, machine + readers",
    ]
    assert len(card.provenance.data) == 5
    assert str(media) not in card.to_yaml()


def test_a_folder_without_labels_is_an_error_and_not_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "voice-vocoder", "--media", str(tmp_path), "--to", str(tmp_path / "models")]) == 2
    assert "labels.csv" in capsys.readouterr().err
    assert not (tmp_path / "models").exists()


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


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_a_codec_keeps_length_and_speech(codec: object) -> None:
    pcm = formant_speech(20_000, seed=7)
    coded = through_codec(pcm, codec)  # type: ignore[arg-type]

    assert coded.shape == pcm.shape
    assert coded.dtype == np.float32
    assert not np.array_equal(coded, pcm)
    assert 0.3 < np.sqrt(np.mean(coded**2) / np.mean(pcm**2)) < 1.5


def test_channels_are_finite_and_repeatable() -> None:
    pcm = formant_speech(16_000, seed=8)
    random = np.random.default_rng(0)
    for _ in range(30):
        channel = draw_channel(random)
        heard = through_channel(pcm, channel)
        assert np.isfinite(heard).all()
        assert np.abs(heard).max() <= 1.0
        assert np.array_equal(heard, through_channel(pcm, channel))
    assert not np.allclose(heard[:1000], pcm[:1000])


def test_segments_follow_preprocessing() -> None:
    assert segments(np.arange(10, dtype=np.float32), 4)[:, 0].tolist() == [0, 4, 6]
    assert segments(np.arange(9, dtype=np.float32), 4)[:, 0].tolist() == [0, 4]
    assert segments(np.arange(3, dtype=np.float32), 7).tolist() == [[0, 1, 2, 0, 1, 2, 0]]
    assert repeat_to(np.ones(5, np.float32), 3).shape == (5,)


def test_folds_leave_whole_sources_out_and_test_groups_alone(media: Path) -> None:
    items = read_dataset(media).of("audio")
    allowed = [index for index, item in enumerate(items) if not item.group.endswith("-0")]
    folds = source_folds(items, allowed)

    assert [fold.name for fold in folds] == ["demo0", "demo1", "demo2", "machine + readers"]
    for fold in folds:
        assert {items[index].source for index in fold.training}.isdisjoint(fold.held_out)
        assert set(fold.training) <= set(allowed)


def test_siblings_are_treated_alike_for_scoring(media: Path) -> None:
    bank = fill_bank(read_dataset(media).of("audio")[:6])
    sounds = list(treated_sounds(bank, 2, seed=1))

    assert [sound.treatment for sound in sounds[:6]] == [UNTOUCHED] * 6
    by_group: dict[tuple[int, str], set[str]] = {}
    for position, sound in enumerate(sounds):
        by_group.setdefault((position // 6, bank.items[sound.item].group), set()).add(sound.treatment)
    assert all(len(treatments) == 1 for treatments in by_group.values())
    assert {sound.segments.shape for sound in sounds} >= {(1, 64_000)}


def test_a_sound_that_is_none_is_named(tmp_path: Path) -> None:
    text = tmp_path / "notes.flac"
    text.write_text("not a sound")
    with pytest.raises(DataError, match=r"notes\.flac"):
        read_sound(text)
    with pytest.raises(DataError, match=r"gone\.flac"):
        read_sound(tmp_path / "gone.flac")


def test_golden_inputs_never_change() -> None:
    inputs = golden_inputs()
    assert inputs.shape == (4, 64_000)
    assert np.abs(inputs).max() == pytest.approx(0.5)
    assert np.array_equal(inputs, golden_inputs())


def test_segments_and_treatments_of_a_file_are_not_taken_for_files() -> None:
    random = np.random.default_rng(0)
    items = [
        MediaItem(Path(f"{n}.wav"), "audio", "fake" if n % 2 else "real", "family", "source", f"g{n}", "none")
        for n in range(20)
    ]
    scores = [1.0 / (1.0 + np.exp(-random.normal(1.5 if item.fake else -1.5))) for item in items]
    once = [ScoredSound(n, "room", np.array([score])) for n, score in enumerate(scores)]
    often = [ScoredSound(n, name, np.full(10, score)) for n, score in enumerate(scores) for name in ("room", "noise")]
    one, many = (calibrate(items, {"fold": sounds}, set(range(20)), "made up") for sounds in (once, often))

    assert (many.slope, many.intercept) == (pytest.approx(one.slope, rel=1e-3), pytest.approx(one.intercept, abs=1e-3))
    assert (one.n, many.n) == (20, 400)
