"""A stand-in for TensorFlow Serving: its protocols, over the tensorflow package.

There is no TensorFlow Serving binary to install with pip. This behaves as the real one towards its clients; it is
neither as fast nor as complete, and it is not it.
"""
