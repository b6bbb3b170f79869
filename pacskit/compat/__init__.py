"""The names of other libraries over our types, for scripts that change their imports only."""
