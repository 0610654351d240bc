"""The load generators: one client for all servers of a run, in processes of its own."""
