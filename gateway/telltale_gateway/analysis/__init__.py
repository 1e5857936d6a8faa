"""From media to Verdict: knows no HTTP server, reports its progress as events."""

from telltale_gateway.analysis.analyzer import Analyzer, Senses, Study
from telltale_gateway.analysis.headstart import HeadStart
from telltale_gateway.analysis.media import MediaSource, OnlyKind
from telltale_gateway.analysis.options import AnalysisOptions, ExplainedOptions
from telltale_gateway.analysis.preprocess import PreprocessClient
from telltale_gateway.analysis.progress import Progress, Stage
from telltale_gateway.analysis.verdict import Verdict

__all__ = [
    "AnalysisOptions",
    "Analyzer",
    "ExplainedOptions",
    "HeadStart",
    "MediaSource",
    "OnlyKind",
    "PreprocessClient",
    "Progress",
    "Senses",
    "Stage",
    "Study",
    "Verdict",
]
