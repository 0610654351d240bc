"""What keeps a bare API server livable. Controllers read and write through the Registry, as verbs do."""
