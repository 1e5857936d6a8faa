"""From labelled sounds to a version on disk, on sounds made of arithmetic."""

from __future__ import annotations

import wave
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
import torch
from telltale_contracts import LogSpectrogram, VersionCard
from telltale_export.__main__ import main
from telltale_export.data import read_dataset
from telltale_export.errors import DataError
from telltale_export.voice.bank import UNTOUCHED, fill_bank, held_out_sounds
from telltale_export.voice.batches import PairSampler, draw_batch
from telltale_export.voice.codecs import CODECS, through_codec, to_int16
from telltale_export.voice.crossfit import source_folds
from telltale_export.voice.degrade import draw_channel, through_channel
from telltale_export.voice.golden import formant_speech, golden_inputs
from telltale_export.voice.network import LogSpectrum, VoiceNetwork
from telltale_export.voice.recipe import VoiceRun, train_version
from telltale_export.voice.sounds import SAMPLE_RATE, read_sound, repeat_to, segments
from telltale_export.voice.training import TrainingPlan, train_network

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
    """A version of a tiny network after a few steps, and what was said meanwhile."""
    plan = TrainingPlan(steps=60, pairs=4, samples=6_000, width=4, learning_rate=5e-3, average=0.8)
    said: list[str] = []
    run = VoiceRun(media, tmp_path_factory.mktemp("models"), plan, rounds=1)
    return train_version(run, said.append), said


def test_a_few_steps_lower_the_loss_between_voice_and_whisper(media: Path) -> None:
    bank = fill_bank(read_dataset(media).of("audio"), codecs=False)
    plan = TrainingPlan(steps=100, pairs=4, samples=6_000, width=4, learning_rate=5e-3, average=0.8)
    said: list[str] = []
    train_network(bank, list(range(len(bank.items))), plan, said.append)

    first, last = (float(line.split()[-1]) for line in said)
    assert last < first - 0.1


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
    assert of_itself == ["test groups of sources that were trained on"] * 2
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


def test_loudness_and_a_fixed_equaliser_do_not_change_the_answer() -> None:
    torch.manual_seed(0)
    network = VoiceNetwork(4).eval()
    pcm = formant_speech(32_000, seed=6)
    with torch.inference_mode():
        loud, quiet = (float(network(torch.from_numpy(pcm * gain)[None])) for gain in (1.0, 0.05))
    assert quiet == pytest.approx(loud, abs=1e-3)


def test_the_network_looks_at_each_item_alone_and_survives_silence() -> None:
    torch.manual_seed(0)
    network = VoiceNetwork(4).eval()
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


def test_pairs_share_source_and_group_where_they_can(media: Path) -> None:
    items = read_dataset(media).of("audio")
    sampler = PairSampler(items, range(len(items)))
    random = np.random.default_rng(0)
    pairs = [sampler.draw(random) for _ in range(400)]

    for pair in pairs:
        real, fake = items[pair.real], items[pair.fake]
        assert not real.fake
        assert fake.fake
        assert pair.siblings == (real.group == fake.group)
        assert pair.siblings or (real.source, fake.source) == ("readers", "machine")
    assert 0.15 < sum(not pair.siblings for pair in pairs) / len(pairs) < 0.35


def test_one_class_cannot_be_trained_on(media: Path) -> None:
    items = read_dataset(media).of("audio")
    with pytest.raises(DataError, match="one class"):
        PairSampler(items, [index for index, item in enumerate(items) if item.fake])


def test_a_batch_holds_the_genuine_first(media: Path) -> None:
    items = read_dataset(media).of("audio")[:4]
    bank = fill_bank(items, codecs=False)
    batch = draw_batch(bank, PairSampler(items, range(4)), 3, 8_000, np.random.default_rng(0))
    assert batch.waveforms.shape == (6, 8_000)
    assert batch.waveforms.dtype == np.float32
    assert batch.siblings.tolist() == [True, True, True]


def test_folds_leave_whole_sources_out_and_test_groups_alone(media: Path) -> None:
    items = read_dataset(media).of("audio")
    allowed = [index for index, item in enumerate(items) if not item.group.endswith("-0")]
    folds = source_folds(items, allowed)

    assert [fold.name for fold in folds] == ["demo0", "demo1", "demo2", "machine + readers"]
    for fold in folds:
        assert {items[index].source for index in fold.training}.isdisjoint(fold.held_out)
        assert set(fold.training) <= set(allowed)


def test_siblings_are_treated_alike_for_scoring(media: Path) -> None:
    bank = fill_bank(read_dataset(media).of("audio")[:6], codecs=False)
    sounds = list(held_out_sounds(bank, 2, seed=1))

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
