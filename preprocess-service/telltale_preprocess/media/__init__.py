"""Decode video, stills and sound: upright RGB frames with their times, and mono float32 PCM."""
