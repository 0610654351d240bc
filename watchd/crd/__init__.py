"""CustomResourceDefinitions: names, conditions, installation."""
