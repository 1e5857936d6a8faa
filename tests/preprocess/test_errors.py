from __future__ import annotations

from telltale_preprocess.errors import DamagedMedia, ErrorMessage, ProcessingFailed


def test_an_error_crosses_from_a_worker_by_its_code() -> None:
    crossed = ErrorMessage.of(DamagedMedia("cut off")).to_error()
    assert isinstance(crossed, DamagedMedia)
    assert crossed.detail == "cut off"


def test_a_code_that_nobody_knows_is_a_fault_of_ours() -> None:
    crossed = ErrorMessage(code="unheard_of", detail="x").to_error()
    assert isinstance(crossed, ProcessingFailed)
    assert (crossed.code, crossed.status) == ("processing_failed", 500)
