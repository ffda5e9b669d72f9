"""Text as numbers of tokens, by the files that lie beside published weights."""
