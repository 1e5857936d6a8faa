"""From a published checkpoint to a version in a model repository, and from there to what a server answers."""
