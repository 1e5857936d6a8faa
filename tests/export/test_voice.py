"""From labelled sounds to a version on disk, on sounds made of arithmetic."""

from __future__ import annotations

import wave
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from telltale_contracts import VersionCard
from telltale_export.__main__ import main
from telltale_export.data import MediaItem, read_dataset
from telltale_export.errors import DataError
from telltale_export.voice.bank import UNTOUCHED, TreatedSound, fill_bank, treated_sounds
from telltale_export.voice.codecs import CODECS, through_codec, to_int16
from telltale_export.voice.crossfit import ScoredSound, source_folds
from telltale_export.voice.degrade import draw_channel, through_channel
from telltale_export.voice.discriminant import DescribedSound, TrainingPlan, describe, fit_network
from telltale_export.voice.golden import formant_speech, golden_inputs
from telltale_export.voice.measuring import calibrate
from telltale_export.voice.network import STATISTICS
from telltale_export.voice.recipe import VoiceRun, train_version
from telltale_export.voice.sounds import SAMPLE_RATE, read_sound, repeat_to, segments
from telltale_export.voice.spectrum import BANDS

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
