"""Policies over a plan or a state: `pulumi preview --policy-pack policies`. docs/policies.md describes the rules."""
