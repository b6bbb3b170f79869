"""Written by pacskit_ext/codegen; never edited by hand."""
