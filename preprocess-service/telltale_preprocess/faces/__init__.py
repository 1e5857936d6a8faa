"""Find faces, link them over time, judge them and cut them out."""
