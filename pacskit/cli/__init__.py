"""The `pacskit` command."""
