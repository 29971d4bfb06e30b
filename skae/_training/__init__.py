"""Training: the skorch net and its parts."""
