"""The model: tags, values, data sets, errors. Knows no encoding, file or network."""
