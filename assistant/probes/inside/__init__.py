"""Code that runs inside a target: one file for each row, and what rows share (`shared`, `nvml`)."""
