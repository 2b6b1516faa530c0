"""Language models, one file each; they are strangers to one another."""
