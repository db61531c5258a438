"""Jobs on platforms: checks logins early, scrapes, keeps results."""
