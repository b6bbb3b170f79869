"""The stable SDK: Archive, SCP, connect."""
