"""The requestor's side of an association, blocking."""
