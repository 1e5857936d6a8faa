"""A report says every figure of the scores, keeps what is missing, and needs nothing beside itself."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from telltale_export.errors import DataError
from telltale_export.evaluation.report import Report, report_of, write_report
from telltale_export.evaluation.sheet import Sheet, read_sheet
from telltale_export.evaluation.tandem import Verification

from .sheets import made_sheet


@pytest.fixture(scope="module")
def report() -> Report:
    """Of made-up scores."""
    return report_of(made_sheet(), Verification(), rounds=100)


def test_every_figure_is_there(report: Report) -> None:
    figures = {figure.name: figure for figure in report.figures}
    named = {"AUC", "EER", "average precision", "FPR at 95 % TPR", "Brier score", "ECE", "accuracy", "precision"}
    named |= {"Brier score, even odds", "ECE, even odds"}
    assert named | {"recall", "f1", "min t-DCF", "false alarms", "fakes found"} == set(figures)
    assert "30% of spoofs" in figures["min t-DCF"].note
    for figure in report.figures:
        assert figure.interval is not None
        assert figure.interval.low <= figure.interval.value <= figure.interval.high


def test_missing_files_stay_in_every_table(report: Report) -> None:
    assert (report.scored, report.missing) == (60, 3)
    assert [(each.code, each.n_real, each.n_fake) for each in report.reasons] == [("no_speech", 1, 2)]
    families = {row.name: row for row in report.families}
    assert {name: row.missing for name, row in families.items()} == {"bad": 0, "good": 1, "lost": 1}
    assert (families["lost"].n_fake, families["lost"].auc) == (0, None)
    assert {row.name: row.missing for row in report.sources} == {"demo": 0, "elsewhere": 3}
    assert {row.name: row.missing for row in report.robustness} == {"audio, untouched": 3, "audio, noise 20 dB": 3}


def test_the_worst_stands_beside_the_mean(report: Report) -> None:
    families = {row.name: row.auc for row in report.families}
    assert report.worst_family == "bad"
    assert families["bad"] is not None
    assert families["good"] is not None
    assert report.mean_family_auc == pytest.approx((families["bad"].value + families["good"].value) / 2)
    untouched, noisy = report.robustness
    assert untouched.auc is not None
    assert noisy.auc is not None
    assert noisy.auc.value < untouched.auc.value - 0.05


def test_few_groups_of_a_class_are_said() -> None:
    few = report_of(made_sheet(19), Verification(), rounds=20)
    assert [text.split(":")[0] for text in few.warnings] == [
        "Beware.",
        "The genuine media are of 19 groups",
        "The fake media are of 19 groups",
    ]
    assert report_of(made_sheet(20), Verification(), rounds=20).warnings == ("Beware.",)


def test_the_page_needs_nothing_beside_it(report: Report, tmp_path: Path) -> None:
    sheet = made_sheet()
    sheet.write(tmp_path / "scores.json")
    write_report(report, sheet, tmp_path)

    page = (tmp_path / "report.html").read_text()
    assert re.findall(r"""(?:src|href)=["'](?!data:)""", page) == []
    assert page.count("data:image/svg+xml;base64,") == 4
    assert "Nobody speaks in &lt;it&gt;." in page
    assert "2 x the file is empty" in page
    assert '<p class="warning">Beware.</p>' in page
    assert Report.model_validate_json((tmp_path / "report.json").read_bytes()) == report
    assert read_sheet(tmp_path / "scores.json") == sheet
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json", "scores.json"]


def test_one_class_has_only_its_own_rates(tmp_path: Path) -> None:
    sheet = made_sheet()
    genuine = sheet.model_copy(update={"files": tuple(each for each in sheet.files if not each.fake)})
    report = report_of(genuine, Verification(), rounds=50)
    write_report(report, genuine, tmp_path)
    assert [figure.name for figure in report.figures if figure.interval is not None] == ["false alarms"]
    assert report.worst_family is None


def test_nothing_scored_is_refused_with_its_reasons(tmp_path: Path) -> None:
    sheet = made_sheet()
    empty = sheet.model_copy(update={"files": tuple(each for each in sheet.files if each.score is None)})
    with pytest.raises(DataError, match="3 x no_speech"):
        report_of(empty, Verification())
    (tmp_path / "scores.json").write_text(json.dumps({"files": []}))
    with pytest.raises(DataError, match="holds no scores"):
        read_sheet(tmp_path / "scores.json")


def test_words_give_selective_risk() -> None:
    sheet = made_sheet()
    words = [each for each in sheet.of() if each.score is not None]
    said = tuple(
        each.model_copy(
            update={"word": "uncertain" if 0.3 < (each.score or 0) < 0.6 else "fake" if index % 3 else "real"}
        )
        for index, each in enumerate(words)
    )
    figures = {f.name: f for f in report_of(Sheet(**dict(sheet) | {"files": said}), Verification(), rounds=50).figures}
    answered = [each for each in said if each.word != "uncertain"]
    assert figures["answered"].interval is not None
    assert figures["answered"].interval.value == pytest.approx(len(answered) / len(said))
    assert figures["selective risk"].interval is not None
    wrong = sum(each.word != each.label for each in answered)
    assert figures["selective risk"].interval.value == pytest.approx(wrong / len(answered))
