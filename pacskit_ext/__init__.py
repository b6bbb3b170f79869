"""The native ring: bytes in, bytes out. Imports nothing from pacskit."""
