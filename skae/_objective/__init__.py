"""What training minimises: losses, penalties and their sum."""
