"""What the rules of several built-in kinds have in common."""
