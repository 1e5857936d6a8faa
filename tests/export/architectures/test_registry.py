"""What there is can be listed without the frameworks that run it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from telltale_export.__main__ import main
from telltale_export.architectures import architectures, find_architecture
from telltale_export.errors import ExportError

PUBLISHED = {
    "meso4",
    "mesoinception4",
    "aasist",
    "aasist-l",
    "lfcc-lcnn",
    "efficientnet-b0-64",
    "efficientnet-b0",
    "efficientnet-b3",
    "efficientnet-b7",
    "efficientnet-b0-3d-attention",
    "xception",
    "resnext50-lstm",
    "siglip-lstm-v1",
    "siglip-lstm-v3",
    "siglip-lstm-v4",
    "color-cues-lstm",
    "eyeblink-cnn-lstm",
    "scattering-wave",
}


def test_every_published_architecture_is_there() -> None:
    assert set(architectures()) == PUBLISHED


def test_listing_imports_no_framework() -> None:
    program = (
        "import sys; from telltale_export.architectures import architectures; architectures();"
        "print(sorted({'torch', 'tensorflow', 'keras', 'timm', 'transformers', 'kymatio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_list_says_what_each_answers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    for architecture in architectures().values():
        assert architecture.name in said
        assert architecture.convention in said
        assert architecture.layout in said


def test_an_unknown_architecture_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ExportError, match="no architecture 'meso5'") as raised:
        find_architecture("meso5")
    assert "mesoinception4" in raised.value.hint
