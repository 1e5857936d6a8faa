"""Train any published torch architecture on extracted shards, from a file that says how."""
