"""What gateways hear of each other when one of them, or something else, leaves a file that says nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from telltale_gateway.rollout.presence import Presence, Present


@pytest.mark.parametrize(
    "text",
    ['{"torn', "[]", '{"beat": 1, "answers": {}}', '{"answers": [], "uses": {}}', '{"answers": {}, "uses": 3}', "\xff"],
)
def test_a_file_that_cannot_be_read_is_left_out_and_named_once(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    own, other = Presence(tmp_path, "own"), Presence(tmp_path, "other")
    other.tell(Present("other", {"toy": 2}, {"toy": frozenset({1, 2})}, stack="s", stands={"toy": frozenset({2})}))
    (tmp_path / ".telltale/gateways/aaa.json").write_text(text, encoding="latin-1")
    for _ in range(3):
        own.listen()
        assert [present.gateway for present in own.others] == ["other"]
        assert own.uses("toy") == {1, 2}
        assert own.stands("s", "toy") == {2}
    assert len([record for record in caplog.records if "aaa.json" in record.getMessage()]) == 1
