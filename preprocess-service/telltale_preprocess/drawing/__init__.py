"""Draw what an analysis found: into the video itself, or as a picture of its sound. Knows no web framework."""
