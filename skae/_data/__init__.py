"""From what a user passes as X to the batches that a network sees."""
