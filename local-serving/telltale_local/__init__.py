"""Telltale on one machine: tritonserver, TensorFlow Serving or a stand-in for it, and our services, kept running."""

from telltale_local._layout import CannotStart, Layout
from telltale_local._stack import PARTS, Part, Plan, Stack

__all__ = ["PARTS", "CannotStart", "Layout", "Part", "Plan", "Stack"]
