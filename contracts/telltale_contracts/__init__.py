"""The words that every service of Telltale shares.

Nothing here decides anything: these are the shapes that cross a border between two rooms, the checks that make a
malformed one impossible, and the one way to name and digest them.
"""

from telltale_contracts._base import Contract
from telltale_contracts._bundle import (
    AudioFacts,
    BundleMetadata,
    FaceObservation,
    MalformedBundle,
    MediaFacts,
    MediaKind,
    Missing,
    MissingReason,
    SampledFrame,
    Segment,
    TensorBundle,
    Track,
)
from telltale_contracts._card import (
    Artifact,
    Calibration,
    Golden,
    Interval,
    Measurement,
    Medium,
    Provenance,
    VersionCard,
)
from telltale_contracts._digest import CARD_FILE, GOLDEN_FILE, artifact_digest, artifact_files
from telltale_contracts._inputs import (
    FaceCrop,
    Image,
    InputSpec,
    Lfcc,
    LogMel,
    LogSpectrogram,
    Recipe,
    Sampling,
    SoundSpec,
    Waveform,
)
from telltale_contracts._manifest import (
    Aggregation,
    DetectorManifest,
    Forgery,
    Server,
    TensorNames,
)
from telltale_contracts._problem import Problem
from telltale_contracts._rollout import Rollout, RolloutEvent, TrafficShare

__all__ = [
    "CARD_FILE",
    "GOLDEN_FILE",
    "Aggregation",
    "Artifact",
    "AudioFacts",
    "BundleMetadata",
    "Calibration",
    "Contract",
    "DetectorManifest",
    "FaceCrop",
    "FaceObservation",
    "Forgery",
    "Golden",
    "Image",
    "InputSpec",
    "Interval",
    "Lfcc",
    "LogMel",
    "LogSpectrogram",
    "MalformedBundle",
    "Measurement",
    "MediaFacts",
    "MediaKind",
    "Medium",
    "Missing",
    "MissingReason",
    "Problem",
    "Provenance",
    "Recipe",
    "Rollout",
    "RolloutEvent",
    "SampledFrame",
    "Sampling",
    "Segment",
    "Server",
    "SoundSpec",
    "TensorBundle",
    "TensorNames",
    "Track",
    "TrafficShare",
    "VersionCard",
    "Waveform",
    "artifact_digest",
    "artifact_files",
]
