"""Policies over a plan or a state: `pulumi preview --policy-pack policies`. What each rule wants: docs/policies.md."""
