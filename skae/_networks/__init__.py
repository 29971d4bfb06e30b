"""Encoders and decoders: architectures, layers and initialisation."""
