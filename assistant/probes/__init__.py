"""Read-only diagnostic probes: rows, targets, and the policy under which they run."""
