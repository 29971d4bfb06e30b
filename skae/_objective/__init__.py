"""The objective of training: losses, penalties and their sum."""
