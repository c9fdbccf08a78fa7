"""Training, testing and answering of both kinds of model; what an engine is."""
