"""Encoders and decoders: architectures, layers, and how they are built."""
