"""Samples that are kept outside memory."""
