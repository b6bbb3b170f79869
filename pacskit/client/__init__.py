"""What an archive does of its own accord."""
