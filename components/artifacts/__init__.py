"""What is downloaded, from where, and which digest it has to have."""
