"""What is done to servers under measurement: one module per kind of load."""
