"""What preprocessing makes of a data set, kept in shards to train from."""
