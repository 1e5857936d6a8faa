"""What a converted architecture is to the rest of the house: its detector.yaml."""

from __future__ import annotations

from pydantic import ValidationError
from telltale_contracts import DetectorManifest, InputSpec, Server, SoundSpec, TensorNames, Waveform

from telltale_export.architectures import Architecture
from telltale_export.errors import ExportError
from telltale_export.packaging import item_type

_SERVERS: dict[str, tuple[Server, ...]] = {"torch": ("triton",), "keras": ("tfserving", "triton")}


def server_of(architecture: Architecture, asked: Server | None) -> Server:
    """The server that was asked for, or the one that is natural to the architecture's framework.

    Raises:
        ExportError: no tool converts this framework to what that server loads.
    """
    able = _SERVERS[architecture.framework]
    if asked is not None and asked not in able:
        raise ExportError(
            f"{architecture.name} is a {architecture.framework} architecture, which {asked} cannot serve.",
            f"Leave --server out, or give {' or '.join(able)}.",
        )
    return asked or able[0]


def manifest_of(architecture: Architecture, name: str, server: Server) -> DetectorManifest:
    """The manifest of a detector of an architecture.

    Raises:
        ExportError: the name is none that a detector may have.
    """
    manifest = DetectorManifest(
        name=architecture.name,
        description=f"{architecture.name}: {architecture.paper}",
        forgery=architecture.forgery,
        server=server,
        input=architecture.input,
        tensors=TensorNames(
            input=_input_name(architecture.input),
            probability="probability",
            heatmap="heatmap" if architecture.heatmap else None,
        ),
        max_batch=architecture.max_batch,
        aggregation=architecture.aggregation,
        min_items=architecture.min_items,
        sampling=architecture.sampling,
    )
    try:
        return DetectorManifest.model_validate({**dict(manifest), "name": name})
    except ValidationError as error:
        raise ExportError(
            f"A detector cannot be called {name!r}.",
            "Give --name up to 63 small letters, digits and hyphens, a letter or digit first.",
        ) from error


def _input_name(spec: InputSpec) -> str:
    if item_type(spec) == "uint8":
        return "pictures"
    if isinstance(spec, Waveform):
        return "waveform"
    return "spectrum" if isinstance(spec, SoundSpec) else "histograms"
