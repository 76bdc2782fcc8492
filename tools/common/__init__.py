"""Code that the packages of the tools share. Standard library only: `tools.prepare` uses it before an installation."""
