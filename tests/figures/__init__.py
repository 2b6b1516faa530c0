"""The figures of the guides, each drawn by a function from values that are computed."""
