"""What HTTP servers share."""
