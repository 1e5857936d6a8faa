"""The Verdict in the shapes that clients of other services send and parse; one file for each family of them.

A view renames and selects: a pure function from a study to a model, and a router that calls it.
"""
