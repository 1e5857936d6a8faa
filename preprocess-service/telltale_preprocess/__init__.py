"""Media in, one TensorBundle out: decode once, sample frames, find and track faces, cut what the recipe asks for.

``media``, ``faces`` and ``features`` are the core and know no web framework; ``pipeline`` joins them. ``workers`` runs
the core in disposable processes; ``api`` is the HTTP face of it.
"""
