"""A short campaign of hostile files; ``make fuzz`` runs a long one."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.fuzz.campaign import run_campaign
from tests.fuzz.checksums import with_true_checksums
from tests.fuzz.mutants import make_mutant
from tests.fuzz.seeds import seeds
from tests.preprocess.service import Service


@pytest.fixture(scope="module")
def whole() -> dict[str, bytes]:
    """Files that are not hostile yet."""
    return seeds()


def test_two_hundred_hostile_files_harm_nothing(whole: dict[str, bytes]) -> None:
    campaign = run_campaign(whole, seed=1, count=200)
    assert campaign.broken == []
    assert [answer.mutant.number for answer in campaign.answers] == list(range(200))
    statuses = Counter(answer.status for answer in campaign.answers)
    # Were all refused at the door, no decoder would have been tried.
    assert statuses[200] > 40
    assert statuses[422] > 40


def test_every_whole_file_is_read(whole: dict[str, bytes], service: Service) -> None:
    assert {name: service.post(body).status_code for name, body in whole.items()} == dict.fromkeys(whole, 200)


def test_a_mutant_can_be_made_again_of_the_same_files(whole: dict[str, bytes]) -> None:
    first, again = ([make_mutant(3, number, whole) for number in range(100)] for _ in range(2))
    assert first == again
    assert [make_mutant(4, number, whole).body for number in range(100)] != [mutant.body for mutant in first]


def test_checksums_of_whole_files_are_true_already(whole: dict[str, bytes]) -> None:
    checked = {name: body for name, body in whole.items() if name.startswith(("png", "ogg"))}
    assert len(checked) == 7
    assert {name: with_true_checksums(body) for name, body in checked.items()} == checked
    wrong = bytearray(checked["ogg-opus"])
    wrong[22] ^= 1
    assert with_true_checksums(bytes(wrong)) == checked["ogg-opus"]
