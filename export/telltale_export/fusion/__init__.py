"""Ways to make one probability of what several detectors say, compared on the same media."""
