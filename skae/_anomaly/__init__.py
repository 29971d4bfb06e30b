"""Anomaly detection with a false positive rate that is asked for."""
