"""VR values to Python values and back; used by other native modules only."""
