"""What a trained network computes: arrays in, arrays out."""
