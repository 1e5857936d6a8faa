"""One producer for each kind of input spec: numpy in, numpy out."""
