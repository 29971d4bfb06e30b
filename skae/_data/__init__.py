"""Data: from X as the user passes it to the batches of the network."""
