"""What is applied through the Kubernetes API; the API starts without all of it."""
