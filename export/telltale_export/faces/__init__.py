"""The face detectors: how their faces are gathered, forged, degraded, learned from and packaged."""
