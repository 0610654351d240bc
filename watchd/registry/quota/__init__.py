"""ResourceQuotas: what objects count for, and who is about to write one. Shared by admission and the controller that counts."""
