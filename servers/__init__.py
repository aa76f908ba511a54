"""One module per server; its name is the command's name."""
