"""Disposable processes: media is hostile, so it is decoded where nothing is lost when it crashes or hangs."""
