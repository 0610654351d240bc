"""Who may: authentication and authorization."""
