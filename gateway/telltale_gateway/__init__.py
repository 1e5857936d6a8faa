"""The gateway: an upload comes in, a Verdict goes out."""
