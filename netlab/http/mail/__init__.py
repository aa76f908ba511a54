"""The mail sink's page and API: Mailpit's paths and names over the mail store."""
