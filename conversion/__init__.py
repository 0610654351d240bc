"""Objects and versions: groups, kinds, codecs, hub and spoke. Knows no storage and no HTTP."""
