"""Persistence: files, skops and ONNX."""
