"""Machines in a simulated AWS: the real engine and SDK, moto for AWS, and a test fixture for the plugin."""
