"""What Posada's services say to each other: commands, events, jobs and subjects, declared once."""
