"""How the model becomes bytes: data-set readers and writers, Part 10 files, transfer syntaxes."""
