"""Who reads the lake besides the pipeline: a matrix of readers and states of a lake."""
