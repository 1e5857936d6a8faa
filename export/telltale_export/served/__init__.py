"""Detectors where they are served, and labelled media as they are asked about them."""
