"""The built-in kinds of the server, as data: `table.load`. CustomResourceDefinition stands in watchd.crd.definitions."""
