"""A cluster that grows, shrinks, and loses machines."""
