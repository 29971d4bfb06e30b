"""Fitted estimators as files of safetensors and JSON, and back."""
