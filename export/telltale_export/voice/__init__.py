"""voice-vocoder: a detector of vocoded and synthetic speech."""
