"""What suites of real clusters share: bringing a stack up and down, reaching its machines and its API, and proofs."""
