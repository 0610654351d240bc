"""What is measured: one workload a file, each a list of cases."""
