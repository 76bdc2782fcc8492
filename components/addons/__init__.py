"""What is applied through the Kubernetes API once it answers; none of it is needed for the API to come up."""
